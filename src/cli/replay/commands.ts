import type { Command } from '../../domain/commands.ts';
import { describeSkipped } from '../../replay/foreign-records.ts';
import { readPlace } from '../../replay/place.ts';
import { countOffsets } from '../../replay/rebuild-plan.ts';
import { type CommandDifference, type WhatIfReport, whatIf } from '../../replay/what-if.ts';
import { countSteps, planWhatIf } from '../../replay/what-if-plan.ts';
import type { OffsetRange } from '../../service-layer/broker.ts';
import { print, printJson, printTable, visible } from '../output.ts';
import { answering, withBroker } from '../session.ts';
import { type ActOptions, carryOut, isWanted, orSkip } from './act.ts';

export interface CommandsOptions {
  readonly from?: string;
  readonly to?: string;
  readonly type?: Command['type'];
  readonly sku?: string;
  readonly skipForeign: boolean;
}

/** Steps per second, of a plain machine: for the estimate in the plan. */
const USUAL_RATE = 25_000;

/** `allocation replay commands` */
export async function replayCommands(options: CommandsOptions & ActOptions): Promise<void> {
  const place = (text: string | undefined) =>
    text === undefined ? null : readPlace(text, Date.now());
  const range = {
    from: place(options.from),
    to: place(options.to),
    skipForeign: options.skipForeign,
  };
  await withBroker({ createTopics: false }, async ({ config, broker }) => {
    const plan = await answering(planWhatIf(broker, config, range), config);
    const total = countSteps(plan);
    const wanted = await isWanted(
      {
        commands: topic(plan.commandsTopic, plan.commands),
        ranges: plan.commands
          .map(({ partition, beginning, end }) => `${partition}: ${beginning} to ${end}`)
          .join(', '),
        compared: compared(options),
        events: topic(plan.eventsTopic, plan.events),
        'dead letters': topic(plan.deadLettersTopic, plan.deadLetters),
        target: 'a temporary database: nothing is published or changed',
        time: `about ${Math.ceil(total / Math.min(USUAL_RATE, options.maxRate ?? USUAL_RATE))} s`,
      },
      options,
    );
    if (!wanted) return;
    const howToGoOn = 'Nothing was changed; the same command begins anew';
    const outcome = await carryOut({ total, done: 0, unit: 'steps', howToGoOn }, options, (act) =>
      orSkip(whatIf(broker, plan, { type: options.type ?? null, sku: options.sku ?? null }, act)),
    );
    if (!outcome) return;
    const { result, seconds } = outcome;
    const isEqual = Object.keys(result.different).length === 0;
    if (!isEqual) process.exitCode = 1;
    if (options.json)
      return printJson({ result: isEqual ? 'equal' : 'different', ...result, seconds });
    tell(result, seconds);
    if (options.skipForeign) print(`Skipped of others: ${describeSkipped(result.foreign)}`);
  });
}

function topic(name: string, ranges: readonly OffsetRange[]): string {
  return `${name}, ${countOffsets(ranges)} offsets in ${ranges.length} partitions`;
}

function compared({ from, to, type, sku }: CommandsOptions): string {
  const what = [type ?? 'all commands', sku === undefined ? '' : ` about ${sku}`].join('');
  return visible(
    `${what}, from ${from ?? 'the first'} to ${to === undefined ? 'the last' : `before ${to}`}`,
  );
}

function tell(
  { folded, handled, same, different, skipped, outOfTurn, differences }: WhatIfReport,
  seconds: number,
): void {
  for (const difference of differences) print(inWords(difference));
  const count = Object.values(different).reduce((sum, each) => sum + each, 0);
  if (count > differences.length) print(`… and ${count - differences.length} more`);
  if (count > 0) print('');
  printTable(
    ['COMMANDS', 'COUNT'],
    [
      ['same outcome', same],
      ...Object.entries(different).map(([kind, of]) => [`different: ${kind}`, of] as const),
      ['skipped: in the dead letters', skipped.deadLetters],
      ['skipped: repeated', skipped.repeated],
      ['skipped: not answered yet', skipped.unanswered],
      ['handled, not asked for', skipped.notCompared],
    ],
  );
  if (outOfTurn.count > 0) {
    print(
      `\n${outOfTurn.count} commands had no place by their events' sequences, and were placed by time: ${outOfTurn.first.join(', ')}, …`,
    );
  }
  const state = folded > 0 ? ` on the state that ${folded} before them had left` : '';
  print(
    `\n${count === 0 ? 'Equal' : 'Different'}: ${handled} commands handled again in ${seconds} s${state}`,
  );
}

function inWords({ kind, id, type, place, placedBy, published, now }: CommandDifference): string {
  const doubt = placedBy === 'time' ? ' (placed by time alone)' : '';
  return visible(
    `${kind}: ${type ?? 'the command'} ${id} at ${place}${doubt}: published ${published}, now ${now}`,
  );
}
