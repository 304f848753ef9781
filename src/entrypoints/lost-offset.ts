import { passing } from '../fault-points.ts';
import type { TransactionalProducer } from '../service-layer/broker.ts';
import { FencedError, TroubleError } from '../service-layer/errors.ts';
import type { LanePosition, LaneStore } from '../service-layer/lane-store.ts';
import type { Partition } from '../service-layer/records.ts';
import type { AnsweredOffsets, Watch } from './answered-offsets.ts';
import type { LaneContext } from './take-over.ts';

/** The database and the topics do not fit together: answering would lose commands or repeat events. */
export class LaneRefusedError extends TroubleError {
  override readonly name = 'LaneRefusedError';
}

/** The topics hold answers that the database does not know: it was lost, restored, or failed over. */
export class OlderDatabaseError extends LaneRefusedError {}

/** What is known of the lane and its topic when it opens. */
export interface OpeningLane {
  readonly lane: Partition;
  readonly producer: TransactionalProducer;
  readonly position: LanePosition;
  /** The group's committed offset of each lane; null: Kafka has none. */
  readonly committed: readonly (number | null)[];
  /** Another group that may have published answers of this lane; then the committed offset says too little. */
  readonly formerGroup: string | null;
}

/**
 * Finds how far each lane of the topic has published. Where the group has no committed offset, the topics say it; this
 * lane's is then committed, so that "missing" means something from then on.
 *
 * @returns for each lane an offset below which everything is out; for this lane, all that is out lies below it
 * @throws {LaneRefusedError} it cannot be proven, and something could be published twice
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
  // In a partition without commands nothing was answered.
  const isNecessary = committed.some(isToFind) || endOf(lane.partition) > 0;
  const found = isNecessary ? await context.answered.read(lane.topic, watch) : NOTHING_ANSWERED;
  const known = committed.map((offset, partition) =>
    Math.max(offset ?? 0, found.nextOffsets.get(partition) ?? 0),
  );
  if (!isLost) return known;
  const settled = await settle(
    opening,
    endOf(lane.partition),
    known[lane.partition] ?? 0,
    found,
    context,
  );
  if (settled === null) return known;
  await producer.publish([], { ...lane, group: context.group, nextOffset: settled });
  if (formerGroup !== null) await context.store.settle(lane, context.group);
  passing('lost-offset-committed');
  return known.with(lane.partition, settled);
}

const NOTHING_ANSWERED: AnsweredOffsets = {
  nextOffsets: new Map(),
  isComplete: true,
  isUnused: true,
};

/** @returns the lane's committed offset, proven; null: the database is older than what was found, whatever else was published */
async function settle(
  { lane, position: { nextOffset: position }, formerGroup }: OpeningLane,
  end: number,
  bound: number,
  found: AnsweredOffsets,
  { store, group, log }: LaneContext,
): Promise<number | null> {
  const place = `${lane.topic}/${lane.partition}`;
  const lost =
    formerGroup === null
      ? `The group ${group} has no committed offset`
      : `The group ${group} follows ${formerGroup}`;
  if (bound > end) {
    throw new LaneRefusedError(
      `${place} ends at ${end}, but answers to its commands up to ${bound - 1} are published: the topic was re-created since. ` +
        'Give the new topic another name (COMMANDS_TOPIC), or use other topics for its answers (EVENTS_TOPIC, DEAD_LETTERS_TOPIC).',
    );
  }
  if (found.isComplete && !(found.isUnused && position > 0)) {
    // Commands without an answer leave nothing in the topics: behind the last one that is out, all up to the
    // first that waits are settled. Another lane may rest on them.
    const waits =
      position > bound ? ((await firstWaiting(lane, bound, position, store)) ?? position) : bound;
    if (waits > 0) {
      log.warn(
        { lane: place, committed: waits, position },
        `${lost} for ${place}. The published answers end below ${bound}: it goes on at ${waits}`,
      );
    }
    return waits;
  }
  const why = found.isUnused
    ? 'the topics of the answers are empty'
    : 'retention or compaction has deleted published answers';
  if (position < bound) return null;
  const doubt = await whatMayRepeat(lane, position, bound, store);
  if (doubt !== null) {
    throw new LaneRefusedError(
      `${lost} for ${place}, and ${why}: nobody can prove what was published. ${doubt}`,
    );
  }
  log.warn(
    { lane: place, committed: position },
    `${lost} for ${place}, and ${why}. No answer waits, so nothing can come twice: it goes on at ${position}`,
  );
  return position;
}

/** Where a database has answered nothing, and the published answers do not say what another one has. */
export const NOTHING_ANSWERED_HERE =
  'The database has answered nothing, and answers that another one may have published are deleted. Point DATABASE_URL at that one. ' +
  'If it is lost, restore a copy, and bring it up to date: npx allocation replay rebuild --into <copy> --from-copy --execute   ' +
  'To answer all commands that are left once more, name new topics for the answers (EVENTS_TOPIC, DEAD_LETTERS_TOPIC).';

/** @returns what could be published a second time, and what to do, in sentences; null: nothing */
async function whatMayRepeat(
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
    `The outbox holds answers from offset ${first} on, which may be out. See what waits: npx allocation replay offsets   ` +
    'Then settle it with --publish or --skip, which its --help explains.'
  );
}

/** @returns the first command from the offset on, below the position, that has an answer in the outbox; null: none has */
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

/** @throws {FencedError} another group has taken the lane since this one claimed it */
export function refuseAnotherGroup(
  { topic, partition }: Partition,
  position: LanePosition,
  group: string,
): void {
  if (position.group === group) return;
  throw new FencedError(
    `${topic}/${partition} works for the group ${position.group} by now, not for ${group}`,
  );
}
