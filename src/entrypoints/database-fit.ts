import { laneName } from '../domain/place.ts';
import type { OffsetRange } from '../service-layer/broker.ts';
import { FencedError, TroubleError } from '../service-layer/errors.ts';
import type { LaneBinding, LanePosition } from '../service-layer/lane-store.ts';
import type { Partition } from '../service-layer/records.ts';
import type { LaneContext } from './lane-context.ts';
import { LaneRefusedError, OlderDatabaseError } from './lane-refusal.ts';

/**
 * Checks whether the lane's database fits the topics, for a member that does not own the lane. The
 * check changes nothing, because the refused lane is bound to its log already. A missing committed
 * offset counts as 0 here: the lane finds the true offset when it opens.
 * @throws {LaneRefusedError} the lane would be refused
 */
export async function refuseMisfit(lane: Partition, context: LaneContext): Promise<void> {
  const { broker, store, group } = context;
  const { topic, partition } = lane;
  await bindLane(lane, context);
  const committed = await broker.committedOffsets(group, topic);
  const position = await store.readPosition(lane);
  const range = rangeOf(lane, await broker.offsetRanges(topic, [partition]), committed.length);
  await refuseAnotherEnd(lane, position, range, context);
  const known = committed.map((offset) => offset ?? 0);
  await refuseOlder(topic, known, context);
}

/**
 * Binds the lane to its log and its group. The offsets of another log say nothing about this one. A
 * lane that went on from them would skip commands, or delete answers.
 * @throws {LaneRefusedError} the database knows the topic from another log
 */
export async function bindLane(
  lane: Partition,
  { broker, store, group }: LaneContext,
): Promise<LaneBinding> {
  const logId = await broker.logId(lane.topic);
  const binding = await store.bind(lane, logId, group);
  if (binding.logId === logId) return binding;
  throw new LaneRefusedError(
    `The database has answered commands of ${lane.topic} in another log (${binding.logId}). ` +
      `The service is connected to log ${logId}: an embedded log, another Kafka cluster, or a ` +
      'topic that was re-created. Use the log that this database knows, or another database ' +
      '(DATABASE_URL).',
  );
}

/**
 * Returns the range of the lane's partition.
 * @throws {TroubleError} an answer of the broker leaves the partition out
 */
export function rangeOf(
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
 * Refuses to open a lane that belongs to another group.
 * @throws {FencedError} another group has taken the lane since this group bound it
 */
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

/**
 * Checks every lane. Any lane may have changed a product, so a gap in one lane is a gap in the
 * product. A lane's C is never beyond its D, and this function reads D after C. Other lanes may
 * therefore go on meanwhile.
 * @throws {OlderDatabaseError} the group has answered more commands than the database knows
 */
export async function refuseOlder(
  topic: string,
  committed: readonly number[],
  { store, group, recoveryAdvice }: LaneContext,
): Promise<void> {
  const positions = await store.readPositions(topic);
  for (const [partition, answered] of committed.entries()) {
    const position = positions.get(partition) ?? 0;
    if (position >= answered) continue;
    throw new OlderDatabaseError(
      `The database stands at offset ${position} of ${topic}/${partition}, but the group ` +
        `${group} has answered up to ${answered}: the database is older than the topics (lost, ` +
        'restored, or another one). Point DATABASE_URL at the database that answered them, or ' +
        `${await recoveryAdvice()}`,
    );
  }
}

/**
 * Checks that the partition's end still has the records that the database has read. Records may be
 * missing at the partition's beginning, because retention deletes them there.
 * @throws {LaneRefusedError} the partition was truncated or created again
 */
export async function refuseAnotherEnd(
  { topic, partition }: Partition,
  { nextOffset, leaderEpoch }: LanePosition,
  { end }: OffsetRange,
  { broker }: LaneContext,
): Promise<void> {
  const lane = laneName({ topic, partition });
  if (nextOffset > end) {
    throw new LaneRefusedError(
      `The database stands at offset ${nextOffset} of ${lane}, but the partition ends at ${end}: ` +
        'the topic was re-created or truncated since. Use the topic that this database knows. Or ' +
        'give the new topic another name (COMMANDS_TOPIC) or another database (DATABASE_URL).',
    );
  }
  if (leaderEpoch === undefined) return;
  const left = await broker.endOfEpoch(topic, partition, leaderEpoch);
  if (left === null || (left.leaderEpoch >= leaderEpoch && left.offset >= nextOffset)) return;
  const lost =
    left.leaderEpoch < leaderEpoch ? `in leader epoch ${leaderEpoch}` : `from ${left.offset} on`;
  throw new LaneRefusedError(
    `The database has read ${lane} up to offset ${nextOffset - 1}, but Kafka has lost the ` +
      `records ${lost}: the partition was truncated (leader epoch ${leaderEpoch}). The commands ` +
      'that have these offsets now are not answered. Create another topic, name it with ' +
      'COMMANDS_TOPIC, and send the lost commands and all later ones to it again. The service ' +
      'answers no command id twice.',
  );
}
