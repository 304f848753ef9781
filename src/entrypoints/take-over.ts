import type { Logger } from 'pino';
import { passing } from '../fault-points.ts';
import type { Broker, OffsetRange, TransactionalProducer } from '../service-layer/broker.ts';
import { TroubleError } from '../service-layer/errors.ts';
import type { LaneClaim, LanePosition, LaneStore } from '../service-layer/lane-store.ts';
import type { Partition } from '../service-layer/records.ts';
import type { Answering } from './answer-delivery.ts';
import type { AnswerReader, Watch } from './answered-offsets.ts';
import type { EarlierCommands } from './earlier-commands.ts';
import type { LaneOffsets } from './lane-offsets.ts';
import {
  knownOffsets,
  LaneRefusedError,
  OlderDatabaseError,
  refuseAnotherGroup,
} from './lost-offset.ts';
import type { ByteBudget } from './memory-budget.ts';
import { wholeCommandChunks } from './outbox-relay.ts';
import type { ProductTurns } from './product-turns.ts';
import { fenceGroup, openLaneProducer } from './transactional-ids.ts';

/** What all lanes of a process share. */
export interface LaneContext {
  readonly broker: Broker;
  readonly store: LaneStore;
  readonly group: string;
  readonly answering: Answering;
  /**
   * How far the lanes have published. Two lanes may write one product one after the other, and each
   * publishes by itself. An answer that rests on another one, of an earlier `ce_sequence` of the same
   * product, waits until that one is out. So the events that are out never lack an earlier one, and
   * the database can be lost at any moment: what was not out yet is decided anew, and nothing that
   * is out rests on it.
   */
  readonly published: LaneOffsets;
  readonly earlier: EarlierCommands;
  readonly relayBudget: ByteBudget;
  readonly productTurns: ProductTurns;
  readonly answered: AnswerReader;
  /** What an operator can do about a database that is older than the topics, in words. */
  readonly recoveryAdvice: () => Promise<string>;
  /** Told each time that a lane finds the database older than the topics. */
  readonly onOlder?: (error: OlderDatabaseError) => void;
  /**
   * Makes every lane of the process open anew, and so look whether the database still fits.
   * @param timeline lanes that have opened on it have looked already
   */
  readonly reopenAll: (why: string, timeline?: string) => void;
  readonly log: Logger;
}

/** What a lane works with from now on. */
export interface OpenLane {
  readonly producer: TransactionalProducer;
  readonly position: LanePosition;
  /** Where to read on: at the position, or where the topic begins by now. */
  readonly readFrom: number;
  readonly deadLetterMaxBytes: number;
  readonly eventMaxBytes: number;
}

/**
 * Makes a lane ours, and settles what its former owner left half done. In this order:
 *
 * 1. Open its transactional producer: the broker fences the former owner and ends its open
 *    transaction. The lane's other form of transactional id is fenced too (`transactional-ids.ts`).
 * 2. Note the log and the group in the lane's row. Refuse a database that knows the topic from
 *    another log. If another group worked for the lane before, fence that group's owner.
 * 3. Read the group's committed offset C, which steps 1 and 2 have settled, then the database's
 *    position D. If another group has taken the lane meanwhile, this opening is fenced. If D lies
 *    beyond the partition's end, or the log was truncated below D, the lane refuses.
 * 4. If C is missing, or another group worked for the lane before, find C in the published answers
 *    and commit it (`lost-offset.ts`). If D < C, of this lane or of any other, the database is older
 *    than the topics: the lane refuses.
 * 5. Publish the outbox records that answer commands from C up to D, in order, each when what it
 *    rests on is out. Each publication moves the group's offset. Then delete the records.
 *
 * A crash anywhere: the next owner starts at 1 and finds the same, or less to do. A former owner that still commits to the
 * database between 3 and our first transaction moves the lane's row: that transaction finds it moved, and the lane opens anew.
 *
 * @param watch of the lane: it may have to wait for Kafka, or until the published answers are read
 */
export async function takeOver(
  { topic, partition }: Partition,
  context: LaneContext,
  watch: Watch,
): Promise<OpenLane> {
  const { broker, store, group, answering } = context;
  const lane = { topic, partition };
  passing('partition-assigned');
  const producer = await openLaneProducer(broker, store, group, lane, watch.signal);
  try {
    passing('producer-opened');
    const { formerGroup } = await claim(lane, context);
    if (formerGroup !== null) await fenceGroup(broker, formerGroup, lane, watch.signal);
    passing('log-claimed');
    const committed = await broker.committedOffsets(group, topic, partition);
    passing('committed-offset-read');
    const position = await store.readPosition(lane);
    passing('position-read');
    refuseAnotherGroup(lane, position, group);
    const range = rangeOf(lane, await broker.offsetRanges(topic, [partition]), committed.length);
    await refuseAnotherEnd(lane, position, range, context);
    const known = await knownOffsets(
      { lane, producer, position, committed, formerGroup },
      context,
      watch,
    );
    await refuseOlder(topic, known, context);
    sayWhatIsLost(lane, position, range, context);
    await publishOutbox(lane, position, known[partition] ?? 0, producer, context, watch.signal);
    const { deadLettersTopic, eventsTopic } = answering;
    const maxBytes = Promise.all([
      broker.maxMessageBytes(deadLettersTopic),
      broker.maxMessageBytes(eventsTopic),
    ]);
    const [deadLetterMaxBytes, eventMaxBytes] = await maxBytes;
    passing('lane-opened');
    return {
      producer,
      position,
      readFrom: Math.max(position.nextOffset, range.beginning),
      deadLetterMaxBytes,
      eventMaxBytes,
    };
  } catch (error) {
    await producer.close();
    throw error;
  }
}

/**
 * Checks whether the lane's database fits the topics, for a member that does not own the lane. It
 * changes nothing: the lane noted its log when it was refused. A missing C counts as 0 here; who
 * takes the lane finds it.
 * @throws {LaneRefusedError} the lane would be refused
 */
export async function refuse(lane: Partition, context: LaneContext): Promise<void> {
  const { broker, store, group } = context;
  await claim(lane, context);
  const committed = await broker.committedOffsets(group, lane.topic);
  const position = await store.readPosition(lane);
  const range = rangeOf(
    lane,
    await broker.offsetRanges(lane.topic, [lane.partition]),
    committed.length,
  );
  await refuseAnotherEnd(lane, position, range, context);
  await refuseOlder(
    lane.topic,
    committed.map((offset) => offset ?? 0),
    context,
  );
}

/** Offsets of another log say nothing about this one: going on from them would skip commands, or delete answers. */
async function claim(lane: Partition, { broker, store, group }: LaneContext): Promise<LaneClaim> {
  const logId = await broker.logId(lane.topic);
  const claimed = await store.claim(lane, logId, group);
  if (claimed.logId === logId) return claimed;
  throw new LaneRefusedError(
    `The database has answered commands of ${lane.topic} in another log (${claimed.logId}) than the one that is connected (${logId}): ` +
      'an embedded log, another Kafka cluster, or a topic that was re-created since. Use the log that this database knows, or another ' +
      'database (DATABASE_URL).',
  );
}

/** @throws {TroubleError} an answer of the broker leaves the partition out */
function rangeOf(
  { topic, partition }: Partition,
  ranges: readonly OffsetRange[],
  partitions: number,
): OffsetRange {
  const range = ranges.find((each) => each.partition === partition);
  if (!range || partition >= partitions)
    throw new TroubleError(`The broker does not know ${topic}/${partition} yet`);
  return range;
}

/**
 * Checks every lane. Any lane may have changed a product, so a gap in one lane is a gap in the
 * product. No lane's C is ever beyond its D, and D is read after C here: what other owners do
 * meanwhile refuses nobody.
 * @throws {OlderDatabaseError}
 */
async function refuseOlder(
  topic: string,
  committed: readonly number[],
  { store, group, recoveryAdvice }: LaneContext,
): Promise<void> {
  const positions = await store.readPositions(topic);
  for (const [partition, answered] of committed.entries()) {
    const position = positions.get(partition) ?? 0;
    if (position >= answered) continue;
    throw new OlderDatabaseError(
      `The database stands at offset ${position} of ${topic}/${partition}, but the group ${group} has answered up to ${answered}: the database is older than the topics (lost, restored, or another one). ` +
        `Point DATABASE_URL at the database that answered them, or ${await recoveryAdvice()}`,
    );
  }
}

/** What the database has read must still be there, or have been deleted by retention: then the topic has not lost its end. */
async function refuseAnotherEnd(
  { topic, partition }: Partition,
  position: LanePosition,
  { end }: OffsetRange,
  { broker }: LaneContext,
) {
  const { nextOffset, leaderEpoch } = position;
  const lane = `${topic}/${partition}`;
  if (nextOffset > end) {
    throw new LaneRefusedError(
      `The database stands at offset ${nextOffset} of ${lane}, but the partition ends at ${end}: the topic was re-created or truncated since. ` +
        `Use the topic that this database knows, or give the new one another name (COMMANDS_TOPIC) or another database.`,
    );
  }
  if (leaderEpoch === undefined) return;
  const left = await broker.endOfEpoch(topic, partition, leaderEpoch);
  if (left === null || (left.leaderEpoch >= leaderEpoch && left.offset >= nextOffset)) return;
  const lost =
    left.leaderEpoch < leaderEpoch ? `in leader epoch ${leaderEpoch}` : `from ${left.offset} on`;
  throw new LaneRefusedError(
    `The database has read ${lane} up to offset ${nextOffset - 1}, but Kafka has lost what it held ${lost}, and has given these offsets to ` +
      `other records since: the partition was truncated (leader epoch ${leaderEpoch}). Commands that lie there now were not answered. ` +
      `Create another topic, name it with COMMANDS_TOPIC, and send to it again what was sent since then: ids that were answered are not answered twice.`,
  );
}

/** What retention has deleted nobody can read: it may have held commands, or only markers of transactions and aborted records. */
function sayWhatIsLost(
  { topic, partition }: Partition,
  { nextOffset }: LanePosition,
  { beginning }: OffsetRange,
  { log }: LaneContext,
): void {
  if (nextOffset === 0 || nextOffset >= beginning) return;
  const which =
    beginning - nextOffset === 1
      ? `offset ${nextOffset}`
      : `the offsets from ${nextOffset} to ${beginning - 1}`;
  log.warn(
    { lane: `${topic}/${partition}`, from: nextOffset, to: beginning },
    `Retention has deleted ${which} of ${topic}/${partition}, which this service had not read. ` +
      'Commands among them are lost unanswered; markers of transactions and aborted records take offsets too. Nobody can tell which it was: ask the senders.',
  );
}

/** Only what answers commands below D: what a former owner still adds beyond it is not covered by the group's offset D. */
async function publishOutbox(
  lane: Partition,
  { nextOffset: end }: LanePosition,
  committed: number,
  producer: TransactionalProducer,
  { store, group, published: others, log }: LaneContext,
  signal: AbortSignal,
) {
  others.note({ ...lane, nextOffset: committed });
  if (committed < end)
    log.info(
      { lane: `${lane.topic}/${lane.partition}`, from: committed, to: end },
      'Publishing the answers left behind',
    );
  for (let published = committed; published < end; ) {
    const { records, nextOffset, restsOn } = (await store.readOutbox(lane, published, end)) ?? {
      records: [],
      nextOffset: end,
      restsOn: [],
    };
    passing('left-behind-read');
    for (let looks = 1; !(await others.cover(restsOn, LOOK_WHETHER_CLOSING_MS)); looks += 1) {
      if (!signal.aborted && looks < MAX_LOOKS) continue;
      const partitions = restsOn.map(({ partition: other }) => other).join(', ');
      throw new TroubleError(`The answers left behind wait for those of partitions ${partitions}`);
    }
    for (const chunk of wholeCommandChunks(records, nextOffset)) {
      await producer.publish(chunk.records, { ...lane, group, nextOffset: chunk.nextOffset });
      others.note({ ...lane, nextOffset: chunk.nextOffset });
      passing('left-behind-published');
    }
    published = nextOffset;
  }
  await store.deleteOutbox(lane, end);
  if (committed < end) passing('left-behind-deleted');
}

/** Another lane may have no owner just now, and this one must be able to close. */
const LOOK_WHETHER_CLOSING_MS = 500;
/**
 * How often, so for 10 s. Then the lane opens anew. Each lane of a chain waits for the one before,
 * so the limit must last for a chain.
 */
const MAX_LOOKS = 20;
