import type { Config } from '../config.ts';
import { AnswerReader, type Watch } from '../entrypoints/answered-offsets.ts';
import type { Broker, OffsetRange } from '../service-layer/broker.ts';
import { TroubleError } from '../service-layer/errors.ts';
import type { PartitionOffset } from '../service-layer/records.ts';
import { readGroupPositions } from './group-positions.ts';
import type { Place } from './place.ts';

/** What a rebuild reads, and where the lanes go on after it. Fixed when it begins: an interrupted one goes on with the same. */
export interface RebuildPlan {
  readonly eventsTopic: string;
  readonly commandsTopic: string;
  readonly deadLettersTopic: string;
  readonly group: string;
  /** Of the commands topic, and of the events topic. */
  readonly logId: string;
  readonly eventsLogId: string;
  /** Of the events topic. */
  readonly ranges: readonly OffsetRange[];
  /** Of the group in the commands topic. */
  readonly positions: readonly PartitionOffset[];
  /** Only what happened before; null: everything. */
  readonly until: Place | null;
  /** Into an older copy of the database. */
  readonly fromCopy: boolean;
  /** Whether an operator has decided to skip records that others wrote into the events topic. */
  readonly skipForeign: boolean;
}

/** Nobody waits, nobody is told. */
const UNWATCHED: Watch = { signal: new AbortController().signal, onProgress: () => {} };

/**
 * The group's positions first: all events that answer commands below them are below the ends that are read then. Where
 * Kafka has lost them, the events are read to find them.
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
  const committed = await readGroupPositions(broker, { group, commandsTopic }, answers, watch);
  const ranges = await broker.offsetRanges(eventsTopic);
  const positions = committed.flatMap((nextOffset, partition) =>
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

/** How many offsets there are to read: a little more than records, since transactions take some. */
export function countOffsets(ranges: readonly OffsetRange[]): number {
  return ranges.reduce((sum, { beginning, end }) => sum + Math.max(0, end - beginning), 0);
}

/** Whether an unfinished rebuild can go on: the topics are the ones it began with. What it skips may be decided later. */
export function isSame(begun: RebuildPlan, now: RebuildPlan): boolean {
  const identity = ({ ranges: _, positions: __, skipForeign: ___, ...rest }: RebuildPlan) =>
    JSON.stringify(rest);
  return identity(begun) === identity(now);
}

/** @throws {TroubleError} the plan that the database keeps is none */
export function readPlan(json: string): RebuildPlan {
  try {
    return JSON.parse(json) as RebuildPlan;
  } catch (error) {
    throw new TroubleError('The mark of the unfinished rebuild cannot be read', { cause: error });
  }
}
