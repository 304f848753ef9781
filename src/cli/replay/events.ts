import type { Act } from '../../audit/audit.ts';
import type { Config } from '../../config.ts';
import { eventVersions } from '../../messages/event-versions.ts';
import { ReplayRefusedError } from '../../replay/errors.ts';
import {
  EventCopy,
  type EventCopyPlan,
  type EventSelection,
  planEventCopy,
} from '../../replay/event-copy.ts';
import { countOffsets } from '../../replay/offset-ranges.ts';
import { describeRanges, describeTime, describeTopic } from '../../replay/plan-texts.ts';
import { MissingTopicError } from '../../service-layer/errors.ts';
import { awaitBroker } from '../broker-deadline.ts';
import { describeError, UsageError } from '../errors.ts';
import { print, printJson } from '../output.ts';
import { withBroker } from '../session.ts';
import { confirmPlan } from './confirm-plan.ts';
import { parseRange, type ReplayOptions } from './options.ts';
import { withProgress } from './with-progress.ts';

export interface EventsOptions extends ReplayOptions {
  readonly toTopic: string;
  readonly from?: string;
  readonly to?: string;
  readonly type?: string;
  readonly sku?: string;
  readonly resume?: string;
}

/** Offsets per second on an ordinary machine, for the estimate in the plan. */
const USUAL_RATE = 10_000;

/** Runs `allocation replay events`. */
export async function copyEvents(options: EventsOptions): Promise<void> {
  const selection = parseSelection(options);
  const resume = options.resume === undefined ? null : parseResume(options.resume);
  await withBroker({ mayCreate: false }, async ({ config, broker, audit }) => {
    const planning = planEventCopy(broker, config, options.toTopic, selection, resume);
    const plan = await awaitBroker(
      planning.catch((error: unknown) => refuseMissing(error, options.toTopic, config)),
      config,
    );
    const total = countOffsets(plan.ranges);
    if (!(await confirmPlan(describePlan(plan, total, options), options))) return;
    const copy = new EventCopy(broker, plan);
    const workload = {
      total,
      done: 0,
      unit: 'offsets',
      get resume() {
        return [...copy.positions].map(([partition, offset]) => `${partition}/${offset}`).join(',');
      },
      get howToGoOn() {
        return `Run the same command with --resume ${this.resume} to go on: nothing is sent twice`;
      },
    };
    const outcome = await withProgress(workload, options, (control) => {
      const copying = () =>
        copy.run(control).catch((error: unknown) => {
          if (control.signal.aborted) throw error;
          throw new Error(
            `${describeError(error)}. To go on, run the same command with ` +
              `--resume ${workload.resume}`,
            { cause: error },
          );
        });
      return audit.carryOut(actOf(options), copying, control.signal);
    });
    if (!outcome) return;
    const { result, seconds } = outcome;
    if (options.json)
      return printJson({ result: 'copied', target: plan.target, ...result, seconds });
    const { earlier, later, notChosen, foreign } = result.skipped;
    print(
      `Copied to ${plan.target} in ${seconds} s: ${result.read} records read, ${result.sent} sent`,
    );
    print(
      `Skipped: ${notChosen} not chosen, ${earlier} before --from, ${later} from --to on, ` +
        `${foreign} foreign`,
    );
  });
}

function actOf({ toTopic, from, to, type, sku, resume }: EventsOptions): Act {
  const options = Object.entries({ from, to, type, sku, resume }).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return { act: 'replay events', on: [toTopic], options: Object.fromEntries(options) };
}

function parseSelection(options: EventsOptions): EventSelection {
  const { type, sku } = options;
  if (type !== undefined && !Object.hasOwn(eventVersions, type))
    throw new UsageError(
      `Unknown event "${type}"; use one of: ${Object.keys(eventVersions).join(', ')}`,
    );
  return { ...parseRange(options), type: type ?? null, sku: sku ?? null };
}

function refuseMissing(error: unknown, topic: string, { kafkaBrokers }: Config): never {
  if (!(error instanceof MissingTopicError)) throw error;
  const how = kafkaBrokers
    ? describeError(error)
    : `Create it: EVENTS_TOPIC=${topic} npx allocation publish - < /dev/null`;
  throw new ReplayRefusedError(`There is no topic ${topic}. ${how}`, { cause: error });
}

function parseResume(text: string): ReadonlyMap<number, number> {
  if (!/^\d{1,9}\/\d{1,15}(,\d{1,9}\/\d{1,15})*$/.test(text))
    throw new UsageError(
      `--resume ${text} is not valid: use what an interrupted copy has printed, e.g. 0/1200,1/0`,
    );
  return new Map(text.split(',').map((place) => place.split('/').map(Number) as [number, number]));
}

function describePlan(
  { eventsTopic, target, ranges }: EventCopyPlan,
  total: number,
  { from, to, type, sku, maxRate }: EventsOptions,
) {
  const chosen = [
    from && `from ${from} on`,
    to && `before ${to}`,
    type && `with an event ${type}`,
    sku && `${type ? 'of' : 'with an event of'} product ${sku}`,
  ].filter(Boolean);
  return {
    target: `the topic ${target}`,
    events: describeTopic(eventsTopic, ranges),
    ranges: describeRanges(ranges),
    chosen: chosen.join(', ') || 'all',
    time: describeTime(total, USUAL_RATE, maxRate),
  };
}
