import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '../adapters/database/database.ts';
import { type LaneOwner, readLaneOwners } from '../adapters/database/replay/rebuild-target.ts';
import type { AnswerReader, Watch } from '../entrypoints/answered-offsets.ts';
import { NOTHING_ANSWERED_HERE } from '../entrypoints/lost-offset.ts';
import { fenceGroup, openLaneProducer } from '../entrypoints/transactional-ids.ts';
import type { Broker } from '../service-layer/broker.ts';
import { FencedError } from '../service-layer/errors.ts';
import type { LaneStore } from '../service-layer/lane-store.ts';
import type { Partition } from '../service-layer/records.ts';
import { ReplayRefusedError } from './errors.ts';

/** What an operator decides about answers of which nobody can prove whether they are out. */
export type Choice = 'publish' | 'skip';

/** What is known of a lane's committed offset. */
export interface LaneOffsets {
  readonly partition: number;
  /** Null: Kafka has none. */
  readonly committed: number | null;
  /** Where the database stands. */
  readonly position: number;
  /** Every answer that was found lies below. */
  readonly published: number;
  /** So many records in the outbox answer commands from there on. */
  readonly waiting: number;
  readonly state: LaneState;
}

/**
 * `known`: Kafka has it. `proven`: the topics say it. `older`: the database lacks what was published. `doubtful`: retention
 * or compaction has deleted published answers, so nobody can tell which of those that wait are out. `empty`: the same, and
 * the database has answered nothing in any lane. Then nothing can be settled: every command that is left would be answered.
 */
export type LaneState = 'known' | 'proven' | 'older' | 'doubtful' | 'empty';

/** Where the offsets of a group's lanes come from. */
export interface LaneSources {
  readonly broker: Broker;
  readonly database: Database;
  readonly store: LaneStore;
  readonly answers: AnswerReader;
  readonly commandsTopic: string;
  readonly group: string;
}

const FENCED_RETRIES = 5;
const FENCED_RETRY_MS = 500;

/** Looks at every lane, and changes nothing. @param stable the lane whose committed offset must not lag */
export async function readLaneOffsets(
  sources: LaneSources,
  watch: Watch,
  stable?: number,
): Promise<readonly LaneOffsets[]> {
  const { broker, database, store, answers, commandsTopic: topic, group } = sources;
  const committed = await broker.committedOffsets(group, topic, stable);
  const owners = await readLaneOwners(database, topic);
  const found = await answers.read(topic, watch);
  const inDoubt = [...owners.values()].some(({ nextOffset }) => nextOffset > 0)
    ? 'doubtful'
    : 'empty';
  return await Promise.all(
    committed.map(async (offset, partition) => {
      const owner = owners.get(partition);
      const position = owner?.nextOffset ?? 0;
      const published = Math.max(offset ?? 0, found.nextOffsets.get(partition) ?? 0);
      const isProven = found.isComplete && !(found.isUnused && position > 0);
      const state = isKnown(offset, owner, group)
        ? 'known'
        : position < published
          ? 'older'
          : isProven
            ? 'proven'
            : inDoubt;
      const waiting = await countWaiting(store, { topic, partition }, published, position);
      return { partition, committed: offset, position, published, waiting, state } as const;
    }),
  );
}

/**
 * Commits the offset of every lane that is in doubt, while services may run: their lanes open anew. Answers that wait are
 * published by the next opening of the lane, or taken as published.
 * @returns each lane's committed offset
 * @throws {ReplayRefusedError} the database belongs to another log, or has answered nothing
 */
export async function settleLaneOffsets(
  sources: LaneSources,
  choice: Choice,
  watch: Watch,
): Promise<ReadonlyMap<number, number>> {
  const settled = new Map<number, number>();
  const lanes = await readLaneOffsets(sources, watch);
  if (lanes.some(({ state }) => state === 'empty'))
    throw new ReplayRefusedError(NOTHING_ANSWERED_HERE);
  for (const { partition, state } of lanes) {
    if (state !== 'doubtful') continue;
    const offset = await settleLane(
      sources,
      { topic: sources.commandsTopic, partition },
      choice,
      watch,
    );
    if (offset !== null) settled.set(partition, offset);
  }
  return settled;
}

/** A running lane may open between our steps, and fence us: then it is looked at again. @returns null: there is no doubt any more */
async function settleLane(
  sources: LaneSources,
  lane: Partition,
  choice: Choice,
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
  sources: LaneSources,
  lane: Partition,
  choice: Choice,
  watch: Watch,
): Promise<number | null> {
  const { broker, store, group } = sources;
  const producer = await openLaneProducer(broker, store, group, lane, watch.signal);
  try {
    const logId = await broker.logId(lane.topic);
    const claim = await store.claim(lane, logId, group);
    if (claim.logId !== logId)
      throw new ReplayRefusedError(
        `The database belongs to another log (${claim.logId}) than the topics (${logId})`,
      );
    if (claim.formerGroup !== null) await fenceGroup(broker, claim.formerGroup, lane, watch.signal);
    // From here on no owner publishes: what is read now stays true.
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
