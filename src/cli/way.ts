import type { Command } from 'commander';
import type { OrderedStep } from '../order-way/step-order.ts';
import type { LinkedStep } from '../order-way/way-step.ts';
import { withDeadlines } from './broker-deadline.ts';
import { jsonOption, print, printJson, printTable } from './output.ts';
import { openBar } from './progress.ts';
import { withBroker } from './session.ts';

/** How long one part of the search takes, between two moves of the bar. */
const PART_MS = 500;

/** Adds `allocation way`. */
export function addWay(program: Command): void {
  program
    .command('way')
    .description('show everything that happened to an order, out of the topics')
    .argument('<orderid>')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  $ npx allocation way order-1
  $ npx allocation way order-1 --json | jq -r .details

The command reads all that the topics have, however old the order is. It changes nothing. The column
AFTER says how long after the line above something happened.`,
    )
    .action(showWay);
}

async function showWay(orderid: string, { json }: { readonly json: boolean }): Promise<void> {
  const { inOrder } = await import('../order-way/step-order.ts');
  const steps = inOrder(await findSteps(orderid));
  if (steps.length === 0)
    throw new Error(
      `The topics have nothing about the order ${orderid}: ` +
        'check the id, and COMMANDS_TOPIC and EVENTS_TOPIC',
    );
  if (json) return steps.forEach(printJson);
  print(`The order ${orderid}:`);
  printTable(
    ['TIME', 'AFTER', 'WHAT', 'TYPE', 'DETAILS', 'PLACE'],
    steps.map((step, index) => rowOf(step, steps[index - 1])),
  );
}

/** Searches all topics. A step that is found twice counts once. */
async function findSteps(orderid: string): Promise<readonly LinkedStep[]> {
  const { OrderWays } = await import('../order-way/order-ways.ts');
  return withBroker({ mayCreate: false }, async ({ broker, config }) => {
    const ways = new OrderWays({ ...config, broker: withDeadlines(broker, config) });
    const found = new Map<string, LinkedStep>();
    let bar: Awaited<ReturnType<typeof openBar>> | null = null;
    let searched = 0;
    try {
      for (let cursor: string | null = ''; cursor !== null; ) {
        const untilMs = performance.now() + PART_MS;
        const control = { isTimeUp: () => performance.now() > untilMs, rest: async () => {} };
        const part = await ways.search(orderid, [], cursor, control);
        for (const step of part.steps)
          found.set(JSON.stringify([step.kind, step.place, step.eventId]), step);
        const { offsets, ofOffsets } = part.searchedUntil;
        bar ??= await openBar(ofOffsets);
        bar.add(offsets - searched);
        searched = offsets;
        cursor = part.cursor;
      }
    } finally {
      bar?.close();
    }
    return [...found.values()];
  });
}

function rowOf(step: OrderedStep, former: OrderedStep | undefined): readonly string[] {
  const { at, kind, type, details, place, sequence } = step;
  const afterMs = former === undefined ? null : Date.parse(at) - Date.parse(former.at);
  const number = sequence === null ? '' : `, sequence ${sequence}`;
  const after = afterMs === null ? '' : describeDuration(afterMs);
  return [at, after, kind, type ?? '-', details + number, place];
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** Describes a duration with two digits or more. A wrong clock makes the duration negative. */
function describeDuration(durationMs: number): string {
  if (durationMs < 0) return `-${describeDuration(-durationMs)}`;
  if (durationMs < SECOND_MS) return `${durationMs} ms`;
  if (durationMs < 2 * MINUTE_MS) return `${(durationMs / SECOND_MS).toFixed(1)} s`;
  if (durationMs < 2 * HOUR_MS) return `${Math.round(durationMs / MINUTE_MS)} min`;
  if (durationMs < 2 * DAY_MS) return `${Math.round(durationMs / HOUR_MS)} h`;
  return `${Math.round(durationMs / DAY_MS)} d`;
}
