import type { Logger } from 'pino';
import { passing } from '../fault-points.ts';
import {
  type Broker,
  type LanePosition,
  type LaneStore,
  type Partition,
  type TransactionalProducer,
  TroubleError,
} from '../service-layer/unit-of-work.ts';
import type { Answering } from './answer-batch.ts';
import { wholeCommandChunks } from './outbox-relay.ts';
import type { PublishedOffsets } from './published-offsets.ts';

/** The database and the topics do not fit together: answering would lose commands or repeat events. */
export class LaneRefusedError extends TroubleError {
  override readonly name = 'LaneRefusedError';
}

/** What all lanes of a process share. */
export interface LaneContext {
  readonly broker: Broker;
  readonly store: LaneStore;
  readonly group: string;
  readonly answering: Answering;
  readonly published: PublishedOffsets;
  /** What an operator can do about a database that is older than the topics, in words. */
  readonly recoveryAdvice: () => Promise<string>;
  readonly log: Logger;
}

/** What a lane works with from now on. */
export interface OpenLane {
  readonly producer: TransactionalProducer;
  readonly position: LanePosition;
  readonly deadLetterMaxBytes: number;
  readonly eventMaxBytes: number;
}

/**
 * Makes a lane ours, and settles what its former owner left half done. In this order:
 *
 * 1. Open its transactional producer: the broker fences the former owner and ends its open transaction.
 * 2. Refuse a database that knows the topic from another log. Read the group's committed offset C, which step 1 has settled.
 * 3. Read the database's position D. If D < C, of this lane or of any other, the database is older than the topics; if D lies beyond
 *    the partition's end the topic is not the one that the database knows. Either way the lane refuses.
 * 4. Of the outbox records publish those that answer commands from C up to D, in order, each when what it rests on is out; move the
 *    group's offset to D; delete them all.
 *
 * A crash anywhere: the next owner starts at 1 and finds the same, or less to do. A former owner that still commits to the
 * database between 3 and our first transaction moves the lane's row: that transaction finds it moved, and the lane opens anew.
 */
export async function takeOver(lane: Partition, context: LaneContext): Promise<OpenLane> {
  const { broker, group, answering } = context;
  const { topic, partition } = lane;
  passing('partition-assigned');
  const producer = await broker.openProducer(`${group}-${topic}-${partition}`);
  try {
    passing('producer-opened');
    const { committed, position } = await refuse({ topic, partition }, context);
    await publishOutbox({ topic, partition }, position, committed, producer, context);
    const { deadLettersTopic, eventsTopic } = answering;
    const maxBytes = Promise.all([broker.maxMessageBytes(deadLettersTopic), broker.maxMessageBytes(eventsTopic)]);
    const [deadLetterMaxBytes, eventMaxBytes] = await maxBytes;
    passing('lane-opened');
    return { producer, position, deadLetterMaxBytes, eventMaxBytes };
  } catch (error) {
    await producer.close();
    throw error;
  }
}

/**
 * Steps 2 and 3: checks whether the lane's database fits the topics. A member that is not the lane's
 * owner may ask too, since every other owner keeps C at or below D. Then nothing changes: the lane
 * noted its log when it was refused.
 * @returns the group's committed offset, and the database's position
 * @throws {LaneRefusedError}
 */
export async function refuse(lane: Partition, context: LaneContext): Promise<{ committed: number; position: LanePosition }> {
  const { broker, store, group } = context;
  const { topic, partition } = lane;
  await refuseAnotherLog(lane, context);
  passing('log-claimed');
  const committed = (await broker.committedOffsets(group, topic)).map((offset) => offset ?? 0);
  passing('committed-offset-read');
  const position = await store.readPosition(lane);
  passing('position-read');
  await refuseOlder(topic, committed, context);
  await refuseAnotherEnd(lane, position.nextOffset, context);
  return { committed: committed[partition] ?? 0, position };
}

/** Offsets of another log say nothing about this one: going on from them would skip commands, or delete answers. */
async function refuseAnotherLog({ topic, partition }: Partition, { broker, store }: LaneContext): Promise<void> {
  const logId = await broker.logId(topic);
  const known = await store.claim({ topic, partition }, logId);
  if (known === logId) return;
  throw new LaneRefusedError(
    `The database has answered commands of ${topic} in another log (${known}) than the one that is connected (${logId}): ` +
      'an embedded log, another Kafka cluster, or a topic that was re-created since. Use the log that this database knows, or another ' +
      'database (DATABASE_URL).',
  );
}

/**
 * Of any lane: a product may have been changed through each of them, and what is missing of one is missing of the product. No lane's C is
 * ever beyond its D, and D is read after C here: what other owners do meanwhile refuses nobody.
 */
async function refuseOlder(topic: string, committed: readonly number[], { store, group, recoveryAdvice }: LaneContext): Promise<void> {
  const positions = await store.readPositions(topic);
  for (const [partition, answered] of committed.entries()) {
    const position = positions.get(partition) ?? 0;
    if (position >= answered) continue;
    throw new LaneRefusedError(
      `The database stands at offset ${position} of ${topic}/${partition}, but the group ${group} has answered up to ${answered}: the database is older than the topics (lost, restored, or another one). ` +
        `Point DATABASE_URL at the database that answered them, or ${await recoveryAdvice()}`,
    );
  }
}

async function refuseAnotherEnd({ topic, partition }: Partition, position: number, { broker, log }: LaneContext): Promise<void> {
  const lane = `${topic}/${partition}`;
  const range = (await broker.offsetRanges(topic)).find((each) => each.partition === partition);
  if (range && position > range.end) {
    throw new LaneRefusedError(
      `The database stands at offset ${position} of ${lane}, but the partition ends at ${range.end}: the topic was re-created or truncated since. ` +
        `Use the topic that this database knows, or give the new one another name (COMMANDS_TOPIC) or another database.`,
    );
  }
  if (range && position > 0 && position < range.beginning) {
    log.error(
      `${lane}: the commands from ${position} to ${range.beginning - 1} were deleted by the topic's retention before they were answered`,
    );
  }
}

/** Only what answers commands below D: what a former owner still adds beyond it is not covered by the group's offset D. */
async function publishOutbox(
  lane: Partition,
  { nextOffset: end }: LanePosition,
  committed: number,
  producer: TransactionalProducer,
  { store, group, published: others, log }: LaneContext,
) {
  others.note({ ...lane, nextOffset: committed });
  if (committed < end)
    log.info({ lane: `${lane.topic}/${lane.partition}`, from: committed, to: end }, 'Publishing the answers left behind');
  for (let published = committed; published < end; ) {
    const { records, nextOffset, restsOn } = (await store.readOutbox(lane, published, end)) ?? {
      records: [],
      nextOffset: end,
      restsOn: [],
    };
    passing('left-behind-read');
    if (!(await others.cover(restsOn, OTHERS_TIMEOUT_MS))) {
      throw new TroubleError(
        `The answers left behind wait for those of partitions ${restsOn.map(({ partition }) => partition).join(', ')}`,
      );
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
const OTHERS_TIMEOUT_MS = 1_000;
