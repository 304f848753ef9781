import type { Config } from '../../config.ts';
import { eventVersions } from '../../messages/event-schemas.ts';
import { ReplayRefusedError } from '../../replay/errors.ts';
import {
  EventCopy,
  type EventCopyPlan,
  type EventSelection,
  planEventCopy,
} from '../../replay/event-copy.ts';
import { readPlace } from '../../replay/place.ts';
import { countOffsets } from '../../replay/rebuild-plan.ts';
import { MissingTopicError } from '../../service-layer/errors.ts';
import { describeError, UsageError } from '../errors.ts';
import { print, printJson } from '../output.ts';
import { answering, withBroker } from '../session.ts';
import { type ActOptions, carryOut, isWanted } from './act.ts';

export interface EventsOptions {
  readonly toTopic: string;
  readonly from?: string;
  readonly to?: string;
  readonly type?: string;
  readonly sku?: string;
  readonly resume?: string;
}

/** Of a plain machine: for the estimate in the plan. */
const USUAL_RATE = 10_000;

/** `allocation replay events` */
export async function copyEvents(options: EventsOptions & ActOptions): Promise<void> {
  const selection = selectionOf(options);
  const resume = options.resume === undefined ? null : readPositions(options.resume);
  await withBroker({ createTopics: false }, async ({ config, broker }) => {
    const planning = planEventCopy(broker, config, options.toTopic, selection, resume);
    const plan = await answering(
      planning.catch((error: unknown) => refuseMissing(error, options.toTopic, config)),
      config,
    );
    const total = countOffsets(plan.ranges);
    if (!(await isWanted(inWords(plan, total, options), options))) return;
    const copy = new EventCopy(broker, plan);
    const whole = {
      total,
      done: 0,
      unit: 'offsets',
      get resume() {
        return [...copy.positions].map(([partition, offset]) => `${partition}/${offset}`).join(',');
      },
      get howToGoOn() {
        return `The same command with --resume ${this.resume} goes on from there, and sends nothing twice`;
      },
    };
    const outcome = await carryOut(whole, options, (act) =>
      copy.run(act).catch((error: unknown) => {
        if (act.signal.aborted) throw error;
        throw new Error(
          `${describeError(error)}; the same command with --resume ${whole.resume} goes on from there`,
          { cause: error },
        );
      }),
    );
    if (!outcome) return;
    const { result, seconds } = outcome;
    if (options.json)
      return printJson({ result: 'copied', target: plan.target, ...result, seconds });
    const { earlier, later, notChosen, foreign } = result.skipped;
    print(
      `Copied to ${plan.target} in ${seconds} s: ${result.read} records read, ${result.sent} sent`,
    );
    print(
      `Skipped: ${notChosen} not chosen, ${earlier} earlier and ${later} later than asked for, ${foreign} foreign`,
    );
  });
}

function selectionOf({ from, to, type, sku }: EventsOptions): EventSelection {
  if (type !== undefined && !Object.hasOwn(eventVersions, type))
    throw new UsageError(`${type} is no event: ${Object.keys(eventVersions).join(', ')} are`);
  const nowMs = Date.now();
  const placeOf = (text: string | undefined) =>
    text === undefined ? null : readPlace(text, nowMs);
  return { from: placeOf(from), to: placeOf(to), type: type ?? null, sku: sku ?? null };
}

function refuseMissing(error: unknown, topic: string, { kafkaBrokers }: Config): never {
  if (!(error instanceof MissingTopicError)) throw error;
  const how = kafkaBrokers
    ? describeError(error)
    : `Whoever reads it makes it, e.g. EVENTS_TOPIC=${topic} npx allocation tail`;
  throw new ReplayRefusedError(`There is no topic ${topic}. ${how}`, { cause: error });
}

function readPositions(text: string): ReadonlyMap<number, number> {
  if (!/^\d{1,9}\/\d{1,15}(,\d{1,9}\/\d{1,15})*$/.test(text))
    throw new UsageError(
      `--resume ${text} is none: it takes what an interrupted copy has printed, e.g. 0/1200,1/0`,
    );
  return new Map(text.split(',').map((place) => place.split('/').map(Number) as [number, number]));
}

function inWords(
  { eventsTopic, target, ranges }: EventCopyPlan,
  total: number,
  options: EventsOptions & ActOptions,
) {
  const { from, to, type, sku, maxRate } = options;
  const chosen = [
    from && `from ${from} on`,
    to && `before ${to}`,
    type && `with an event ${type}`,
    sku && `${type ? 'of' : 'with an event of'} product ${sku}`,
  ].filter(Boolean);
  return {
    target: `the topic ${target}`,
    events: `${eventsTopic}, ${total} offsets in ${ranges.length} partitions`,
    ranges: ranges
      .map(({ partition, beginning, end }) => `${partition}: ${beginning} to ${end}`)
      .join(', '),
    chosen: chosen.join(', ') || 'all',
    time: `about ${Math.ceil(total / Math.min(USUAL_RATE, maxRate ?? USUAL_RATE))} s`,
  };
}
