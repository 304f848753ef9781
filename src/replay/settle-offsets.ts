import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '../adapters/database/database.ts';
import { type LaneOwner, readLaneOwners } from '../adapters/database/replay/lane-positions.ts';
import type { AnswerReader, Watch } from '../entrypoints/answered-offsets.ts';
import { NOTHING_ANSWERED_HERE } from '../entrypoints/lost-offset.ts';
import { fenceGroup, openLaneProducer } from '../entrypoints/transactional-ids.ts';
import type { Broker } from '../service-layer/broker.ts';
import { FencedError } from '../service-layer/errors.ts';
import type { LaneStore } from '../service-layer/lane-store.ts';
import type { Partition } from '../service-layer/records.ts';
import { ReplayRefusedError } from './errors.ts';

/** What an operator decides about waiting answers that may be published already. */
export type SettleChoice = 'publish' | 'skip';

/** What is known about a lane's committed offset. */
export interface OffsetReport {
  readonly partition: number;
  /** Null: Kafka has none. */
  readonly committed: number | null;
  /** The lane's position in the database. */
  readonly position: number;
  /** Every published answer that was found belongs to a command below this offset. */
  readonly published: number;
  /** How many records of the outbox answer commands from `published` on. */
  readonly waiting: number;
  readonly state: OffsetState;
}

/**
 * - `known`: Kafka has the committed offset.
 * - `proven`: Kafka has lost the offset, and the topics prove which one it was.
 * - `older`: the database lacks answers that are published.
 * - `doubtful`: retention or compaction has deleted published answers. Nobody can tell which of the
 *   waiting answers are published.
 * - `empty`: doubtful, and no lane of the database has answered anything. Settling would lead to
 *   answers to every command that the topic still holds.
 */
type OffsetState = 'known' | 'proven' | 'older' | 'doubtful' | 'empty';

/** Where the offsets of a group's lanes come from. */
export interface OffsetSources {
  readonly broker: Broker;
  readonly database: Database;
  readonly store: LaneStore;
  readonly answers: AnswerReader;
  readonly commandsTopic: string;
  readonly group: string;
}

/** How often settling a lane begins again because the lane opened in a service meanwhile. */
const FENCED_RETRIES = 5;
const FENCED_RETRY_MS = 500;

/**
 * Reads what is known about the committed offset of every lane. Changes nothing.
 * @param stable the partition whose committed offset must be up to date
 */
export async function readLaneOffsets(
  sources: OffsetSources,
  watch: Watch,
  stable?: number,
): Promise<readonly OffsetReport[]> {
  const { broker, database, store, answers, commandsTopic: topic, group } = sources;
  const committed = await broker.committedOffsets(group, topic, stable);
  const owners = await readLaneOwners(database, topic);
  const { nextOffsets, isComplete, isUnused } = await answers.read(topic, watch);
  const unproven = [...owners.values()].some(({ nextOffset }) => nextOffset > 0)
    ? 'doubtful'
    : 'empty';
  const stateOf = (partition: number, position: number, published: number): OffsetState => {
    if (isKnown(committed[partition] ?? null, owners.get(partition), group)) return 'known';
    if (position < published) return 'older';
    return isComplete && !(isUnused && position > 0) ? 'proven' : unproven;
  };
  return await Promise.all(
    committed.map(async (offset, partition) => {
      const position = owners.get(partition)?.nextOffset ?? 0;
      const published = Math.max(offset ?? 0, nextOffsets.get(partition) ?? 0);
      const waiting = await countWaiting(store, { topic, partition }, published, position);
      const state = stateOf(partition, position, published);
      return { partition, committed: offset, position, published, waiting, state };
    }),
  );
}

/**
 * Commits an offset for every lane in doubt. Services may run: their lanes open again afterwards.
 * The next opening of a lane publishes the waiting answers, or takes them as published.
 * @param onSettled called for each settled lane, with its committed offset
 * @throws {ReplayRefusedError} the database belongs to another log, or has answered nothing
 */
export async function settleLaneOffsets(
  sources: OffsetSources,
  choice: SettleChoice,
  watch: Watch,
  onSettled: (partition: number, offset: number) => void,
): Promise<void> {
  const lanes = await readLaneOffsets(sources, watch);
  if (lanes.some(({ state }) => state === 'empty'))
    throw new ReplayRefusedError(NOTHING_ANSWERED_HERE);
  for (const { partition, state } of lanes) {
    if (state !== 'doubtful') continue;
    const lane = { topic: sources.commandsTopic, partition };
    const offset = await settleLane(sources, lane, choice, watch);
    if (offset !== null) onSettled(partition, offset);
  }
}

/**
 * Settles one lane. If a service opens the lane meanwhile, it fences this process, and settling
 * begins again.
 * @returns the committed offset; null: the lane is not in doubt any more
 */
async function settleLane(
  sources: OffsetSources,
  lane: Partition,
  choice: SettleChoice,
  watch: Watch,
): Promise<number | null> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await tryToSettle(sources, lane, choice, watch);
    } catch (error) {
      if (!(error instanceof FencedError) || attempt > FENCED_RETRIES) throw error;
      await sleep(FENCED_RETRY_MS, undefined, { signal: watch.signal });
    }
  }
}

async function tryToSettle(
  sources: OffsetSources,
  lane: Partition,
  choice: SettleChoice,
  watch: Watch,
): Promise<number | null> {
  const { broker, store, group } = sources;
  const producer = await openLaneProducer(broker, store, group, lane, watch.signal);
  try {
    const logId = await broker.logId(lane.topic);
    const binding = await store.bind(lane, logId, group);
    if (binding.logId !== logId)
      throw new ReplayRefusedError(
        `The database belongs to another log (${binding.logId}) than the topics (${logId}): ` +
          'check DATABASE_URL and KAFKA_BROKERS',
      );
    const { formerGroup } = binding;
    if (formerGroup !== null) await fenceGroup(broker, formerGroup, lane, watch.signal);
    // Nobody else publishes for the lane from here on, so what is read now stays true.
    const now = (await readLaneOffsets(sources, watch, lane.partition)).find(
      ({ partition }) => partition === lane.partition,
    );
    if (now?.state !== 'doubtful') return null;
    const nextOffset = choice === 'publish' ? now.published : now.position;
    await producer.publish([], { ...lane, group, nextOffset });
    await store.settle(lane, group);
    return nextOffset;
  } finally {
    await producer.close();
  }
}

/** Tells whether the group has an offset, and no other group has worked on the lane since. */
function isKnown(committed: number | null, owner: LaneOwner | undefined, group: string): boolean {
  const isOurs =
    owner === undefined ||
    (owner.formerGroup === null && (owner.group === null || owner.group === group));
  return committed !== null && isOurs;
}

async function countWaiting(
  store: LaneStore,
  lane: Partition,
  from: number,
  below: number,
): Promise<number> {
  let count = 0;
  for (let offset = from; offset < below; ) {
    const waiting = await store.readOutbox(lane, offset, below);
    if (waiting === null) break;
    count += waiting.records.length;
    offset = waiting.nextOffset;
  }
  return count;
}
