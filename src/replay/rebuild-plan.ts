import type { Config } from '../config.ts';
import { AnswerReader, type Watch } from '../entrypoints/answered-offsets.ts';
import type { Broker, OffsetRange } from '../service-layer/broker.ts';
import { TroubleError } from '../service-layer/errors.ts';
import type { PartitionOffset } from '../service-layer/records.ts';
import type { Bound } from './bounds.ts';
import { readGroupOffsets } from './group-offsets.ts';

/**
 * What a rebuild reads, and where the lanes go on afterwards. The database keeps the plan, so that
 * an interrupted rebuild goes on with the same plan.
 */
export interface RebuildPlan {
  readonly eventsTopic: string;
  readonly commandsTopic: string;
  readonly deadLettersTopic: string;
  readonly group: string;
  /** The log of the commands topic. */
  readonly logId: string;
  readonly eventsLogId: string;
  /** The offsets to read of the events topic. */
  readonly ranges: readonly OffsetRange[];
  /** How far the group has answered the commands topic. */
  readonly positions: readonly PartitionOffset[];
  /** The rebuild takes the events that were published before this bound; null: all events. */
  readonly until: Bound | null;
  /** Whether the target is an older copy of the database. */
  readonly fromCopy: boolean;
  /** Whether an operator has decided to skip records that others wrote into the events topic. */
  readonly skipForeign: boolean;
}

/** Never aborts, and ignores the progress. */
const UNWATCHED: Watch = { signal: new AbortController().signal, onProgress: () => {} };

/**
 * Plans a rebuild. The group's offsets are read first, and the end of the events topic second. So
 * the answers to all commands below those offsets lie below that end. The published answers replace
 * an offset that Kafka has lost.
 * @throws {TroubleError} the log cannot be reached
 */
export async function planRebuild(
  broker: Broker,
  config: Pick<Config, 'commandsTopic' | 'eventsTopic' | 'deadLettersTopic' | 'groupId'>,
  {
    until,
    fromCopy,
    skipForeign = false,
  }: Pick<RebuildPlan, 'until' | 'fromCopy'> & Partial<Pick<RebuildPlan, 'skipForeign'>>,
  answers: AnswerReader = new AnswerReader(broker, config, { info: () => {} }),
  watch: Watch = UNWATCHED,
): Promise<RebuildPlan> {
  const { commandsTopic, eventsTopic, deadLettersTopic, groupId: group } = config;
  const [logId, eventsLogId] = await Promise.all([
    broker.logId(commandsTopic),
    broker.logId(eventsTopic),
  ]);
  const offsets = await readGroupOffsets(broker, { group, commandsTopic }, answers, watch);
  const ranges = await broker.offsetRanges(eventsTopic);
  const positions = offsets.flatMap((nextOffset, partition) =>
    nextOffset === null ? [] : [{ topic: commandsTopic, partition, nextOffset }],
  );
  return {
    eventsTopic,
    commandsTopic,
    deadLettersTopic,
    group,
    logId,
    eventsLogId,
    ranges,
    positions,
    until,
    fromCopy,
    skipForeign,
  };
}

/**
 * Tells whether an unfinished rebuild can go on under the new plan: topics, moment and kind of
 * target must be the same. Offsets may have grown, and an operator may decide later what to skip.
 */
export function isSameRebuild(unfinished: RebuildPlan, now: RebuildPlan): boolean {
  const identity = ({ ranges: _, positions: __, skipForeign: ___, ...rest }: RebuildPlan) =>
    JSON.stringify(rest);
  return identity(unfinished) === identity(now);
}

/**
 * Reads the plan that the database keeps of an unfinished rebuild.
 * @throws {TroubleError} the text is not JSON
 */
export function parsePlan(json: string): RebuildPlan {
  try {
    return JSON.parse(json) as RebuildPlan;
  } catch (error) {
    throw new TroubleError(
      'The plan of the unfinished rebuild (table rebuilds) cannot be read: rebuild another target',
      { cause: error },
    );
  }
}
