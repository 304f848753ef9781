import { laneName } from '../domain/place.ts';
import { reachFaultPoint } from '../fault-points.ts';
import type { OffsetRange, TransactionalProducer } from '../service-layer/broker.ts';
import type { LanePosition } from '../service-layer/lane-store.ts';
import type { Partition } from '../service-layer/records.ts';
import { TracedProducer } from '../tracing/traced-producer.ts';
import type { Watch } from './answered-offsets.ts';
import {
  bindLane,
  rangeOf,
  refuseAnotherEnd,
  refuseAnotherGroup,
  refuseOlder,
} from './database-fit.ts';
import type { LaneContext } from './lane-context.ts';
import { publishLeftBehind } from './left-behind.ts';
import { knownOffsets } from './lost-offset.ts';
import { fenceGroup, openLaneProducer } from './transactional-ids.ts';

/** What a lane works with after its opening. */
export interface OpenLane {
  readonly producer: TransactionalProducer;
  readonly position: LanePosition;
  /** The log to which the lane is bound. */
  readonly logId: string;
  /** Where to read on: at the position, or where the topic begins by now. */
  readonly readFrom: number;
  readonly deadLetterMaxBytes: number;
  readonly eventMaxBytes: number;
}

interface TakeOverWatch extends Watch {
  /** Called with the lane's producer, which the caller settles if the lane closes too early. */
  onProducer(producer: TransactionalProducer): void;
}

/**
 * Takes a lane over, and settles what its former owner left half done. In this order:
 *
 * 1. Open the lane's transactional producer. The broker fences the former owner and ends its open
 *    transaction. The lane's other form of transactional id is fenced too (`transactional-ids.ts`).
 * 2. Bind the lane's row to the log and the group. Refuse a database that knows the topic from
 *    another log. If another group worked for the lane before, fence that group's owner.
 * 3. Read the group's committed offset C, which steps 1 and 2 have settled, then the database's
 *    position D. If another group has taken the lane meanwhile, this opening is fenced. If D lies
 *    beyond the partition's end, or the log was truncated below D, the lane refuses.
 * 4. If C is missing, or another group worked for the lane before, find C in the published answers
 *    and commit it (`lost-offset.ts`). If D < C, of this lane or of any other, the database is
 *    older than the topics: the lane refuses.
 * 5. Publish the outbox records that answer commands from C up to D (`left-behind.ts`). Each
 *    publication moves the group's offset. Then delete the records.
 *
 * After a crash at any step the next owner starts at 1, and finds the same to do, or less. A former
 * owner may still commit to the database between step 3 and the lane's first transaction. That
 * commit moves the lane's row. The first transaction then fails, and the lane opens anew.
 *
 * @param watch its signal ends a wait for Kafka, or for the published answers
 */
export async function takeOver(
  { topic, partition }: Partition,
  context: LaneContext,
  watch: TakeOverWatch,
): Promise<OpenLane> {
  const { broker, store, group } = context;
  const { signal } = watch;
  const lane = { topic, partition };
  reachFaultPoint('partition-assigned');
  const opened = await openLaneProducer(broker, store, group, lane, signal);
  const producer = context.tracing ? new TracedProducer(opened, context.tracing) : opened;
  watch.onProducer(producer);
  try {
    reachFaultPoint('producer-opened');
    const { logId, formerGroup } = await bindLane(lane, context);
    if (formerGroup !== null) await fenceGroup(broker, formerGroup, lane, signal);
    reachFaultPoint('log-claimed');
    const committed = await broker.committedOffsets(group, topic, partition);
    reachFaultPoint('committed-offset-read');
    const position = await store.readPosition(lane);
    reachFaultPoint('position-read');
    refuseAnotherGroup(lane, position, group);
    const range = rangeOf(lane, await broker.offsetRanges(topic, [partition]), committed.length);
    await refuseAnotherEnd(lane, position, range, context);
    const opening = { lane, producer, position, committed, formerGroup };
    const known = await knownOffsets(opening, context, watch);
    await refuseOlder(topic, known, context);
    warnOfDeletedCommands(lane, position, range, context);
    const { nextOffset } = position;
    await publishLeftBehind(lane, known[partition] ?? 0, nextOffset, producer, context, signal);
    const [deadLetterMaxBytes, eventMaxBytes] = await maxMessageBytes(context);
    reachFaultPoint('lane-opened');
    const readFrom = Math.max(nextOffset, range.beginning);
    return { producer, position, logId, readFrom, deadLetterMaxBytes, eventMaxBytes };
  } catch (error) {
    await producer.close();
    throw error;
  }
}

/** Reads the size of the largest message of the dead letters topic and of the events topic. */
function maxMessageBytes({ broker, answerContext }: LaneContext): Promise<[number, number]> {
  const { deadLettersTopic, eventsTopic } = answerContext;
  return Promise.all([
    broker.maxMessageBytes(deadLettersTopic),
    broker.maxMessageBytes(eventsTopic),
  ]);
}

/** Logs which offsets retention has deleted before the lane read them. */
function warnOfDeletedCommands(
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
    { lane: laneName({ topic, partition }), from: nextOffset, to: beginning },
    `Retention has deleted ${which} of ${topic}/${partition}, which this service had not read. ` +
      'Commands among them are lost unanswered: ask the senders to repeat them. Transaction ' +
      'markers and aborted records take offsets too, so perhaps no command is lost.',
  );
}
