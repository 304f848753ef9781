import { laneName } from '../domain/place.ts';
import { reachFaultPoint } from '../fault-points.ts';
import type { TransactionalProducer } from '../service-layer/broker.ts';
import type { LanePosition, LaneStore } from '../service-layer/lane-store.ts';
import type { Partition } from '../service-layer/records.ts';
import type { AnsweredOffsets, Watch } from './answered-offsets.ts';
import type { LaneContext } from './lane-context.ts';
import { LaneRefusedError } from './lane-refusal.ts';

/** What is known of the lane and its topic when the lane opens. */
export interface OpeningLane {
  readonly lane: Partition;
  readonly producer: TransactionalProducer;
  readonly position: LanePosition;
  /** The group's committed offset of each lane. Null: Kafka has none. */
  readonly committed: readonly (number | null)[];
  /** Another group that may have published answers of this lane. Null: there is none. */
  readonly formerGroup: string | null;
}

/**
 * Finds how far each lane of the topic has published.
 *
 * If the group has no committed offset, or another group worked for the lane before, the published
 * answers show how far. This lane's offset is then committed. From then on, a missing offset means
 * that Kafka has lost it.
 *
 * @returns for each lane an offset below which every answer is published. For this lane, no answer
 * from that offset on is published.
 * @throws {LaneRefusedError} nobody can prove the offset, and an answer might be published twice
 */
export async function knownOffsets(
  opening: OpeningLane,
  context: LaneContext,
  watch: Watch,
): Promise<readonly number[]> {
  const { lane, producer, committed, formerGroup } = opening;
  const isLost = committed[lane.partition] === null || formerGroup !== null;
  if (!isLost && !committed.includes(null)) return committed.map((offset) => offset ?? 0);
  const ranges = await context.broker.offsetRanges(lane.topic);
  const endOf = (partition: number) =>
    ranges.find((range) => range.partition === partition)?.end ?? 0;
  const isToFind = (offset: number | null, partition: number) =>
    offset === null && endOf(partition) > 0;
  if (!isLost && !committed.some(isToFind)) return committed.map((offset) => offset ?? 0);
  // Nothing was answered in a partition without commands.
  const isNecessary = committed.some(isToFind) || endOf(lane.partition) > 0;
  const answered = isNecessary
    ? await context.answerReader.read(lane.topic, watch)
    : NOTHING_ANSWERED;
  const known = committed.map((offset, partition) =>
    Math.max(offset ?? 0, answered.nextOffsets.get(partition) ?? 0),
  );
  if (!isLost) return known;
  const bound = known[lane.partition] ?? 0;
  const proven = await proveOffset(opening, endOf(lane.partition), bound, answered, context);
  if (proven === null) return known;
  await producer.publish([], { ...lane, group: context.group, nextOffset: proven });
  if (formerGroup !== null) await context.store.settle(lane, context.group);
  reachFaultPoint('lost-offset-committed');
  return known.with(lane.partition, proven);
}

const NOTHING_ANSWERED: AnsweredOffsets = {
  nextOffsets: new Map(),
  isComplete: true,
  isUnused: true,
};

/**
 * Proves the lane's committed offset.
 * @param end where the partition ends
 * @param bound every answer below this offset is published
 * @returns null: the database is older than the published answers
 */
async function proveOffset(
  { lane, position: { nextOffset: position }, formerGroup }: OpeningLane,
  end: number,
  bound: number,
  answered: AnsweredOffsets,
  { store, group, log }: LaneContext,
): Promise<number | null> {
  const place = laneName(lane);
  const lost =
    formerGroup === null
      ? `The group ${group} has no committed offset for ${place}`
      : `The group ${group} follows ${formerGroup} for ${place}`;
  refuseBeyondEnd(place, bound, end);
  if (answered.isComplete && !(answered.isUnused && position > 0)) {
    const proven = await firstUnpublished(lane, bound, position, store);
    if (proven > 0) {
      log.warn(
        { lane: place, committed: proven, position },
        `${lost}. The published answers end below ${bound}: the lane goes on at ${proven}`,
      );
    }
    return proven;
  }
  const why = answered.isUnused
    ? 'the topics of the answers are empty'
    : 'retention or compaction has deleted published answers';
  if (position < bound) return null;
  const doubt = await doubtAbout(lane, position, bound, store);
  if (doubt !== null) {
    throw new LaneRefusedError(
      `${lost}, and ${why}: nobody can prove what was published. ${doubt}`,
    );
  }
  log.warn(
    { lane: place, committed: position },
    `${lost}, and ${why}. The outbox has no answer that could go out twice: ` +
      `the lane goes on at ${position}`,
  );
  return position;
}

function refuseBeyondEnd(place: string, bound: number, end: number): void {
  if (bound <= end) return;
  throw new LaneRefusedError(
    `${place} ends at ${end}, but answers to its commands up to ${bound - 1} are published: ` +
      'the topic was re-created since. Give the new topic another name (COMMANDS_TOPIC), or use ' +
      'other topics for its answers (EVENTS_TOPIC, DEAD_LETTERS_TOPIC).',
  );
}

/**
 * Finds the first command from `bound` on whose answer waits in the outbox. Commands without an
 * answer leave nothing in the topics. Those between the last published answer and the first waiting
 * answer count as published, because another lane may rest on them.
 */
async function firstUnpublished(
  lane: Partition,
  bound: number,
  position: number,
  store: LaneStore,
): Promise<number> {
  if (position <= bound) return bound;
  return (await firstWaiting(lane, bound, position, store)) ?? position;
}

/** Advice for a database that has answered nothing, while published answers may be deleted. */
export const NOTHING_ANSWERED_HERE =
  'The database has answered nothing. Another database may have published answers that the ' +
  'topics no longer have. Point DATABASE_URL at that database. If it is lost, restore a copy, ' +
  'and bring it up to date: npx allocation replay rebuild --into <copy> --from-copy --execute   ' +
  'Or name new topics for the answers (EVENTS_TOPIC, DEAD_LETTERS_TOPIC): the service then ' +
  'answers every remaining command once more.';

/**
 * Says what could be published a second time, and what to do about it.
 * @returns sentences; null: nothing can go out twice
 */
async function doubtAbout(
  lane: Partition,
  position: number,
  bound: number,
  store: LaneStore,
): Promise<string | null> {
  if (position === 0) {
    const others = await store.readPositions(lane.topic);
    const isEmpty = [...others.values()].every((offset) => offset === 0);
    return isEmpty ? NOTHING_ANSWERED_HERE : null;
  }
  const first = await firstWaiting(lane, bound, position, store);
  if (first === null) return null;
  return (
    `The outbox has answers from offset ${first} on, which may be published already. ` +
    'See what waits: npx allocation replay offsets   ' +
    'Then choose --publish or --skip, which its --help explains.'
  );
}

/**
 * Finds the first command from `from` on, below the position, whose answer is in the outbox.
 * @returns its offset; null: the outbox has no such answer
 */
async function firstWaiting(
  lane: Partition,
  from: number,
  position: number,
  store: LaneStore,
): Promise<number | null> {
  for (let offset = from; offset < position; ) {
    const waiting = await store.readOutbox(lane, offset, position);
    if (waiting === null) return null;
    const [first] = waiting.records;
    if (first) return first.sourceOffset;
    offset = waiting.nextOffset;
  }
  return null;
}
