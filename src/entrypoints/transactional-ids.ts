import type { Broker, TransactionalProducer } from '../service-layer/broker.ts';
import type { LaneStore } from '../service-layer/lane-store.ts';
import type { Partition } from '../service-layer/records.ts';

/**
 * Makes the transactional id of a group's lane. Topic names have no "~", so two lanes never share
 * an id. For example, group `a-b` with topic `c` has `a-b-c-0`. Group `a` with topic `b-c` has
 * `a-b~c-0`.
 */
export function transactionalIdOf(group: string, { topic, partition }: Partition): string {
  return `${group}-${topic.replaceAll('-', '~')}-${partition}`;
}

/** Makes the id that releases before 2026-11-26 give a lane. */
function formerIdOf(group: string, { topic, partition }: Partition): string {
  return `${group}-${topic}-${partition}`;
}

/**
 * Opens the lane's producer. The broker then fences the former owner of the lane, and ends the
 * transaction that this owner left open.
 *
 * A lane that a former release created keeps its former id. During an upgrade an instance of that
 * release may be in the same group, and it fences through that id alone. The other form of the id
 * is fenced as well.
 *
 * @throws {TroubleError} the broker cannot be reached, or the signal aborts
 */
export async function openLaneProducer(
  broker: Broker,
  store: Pick<LaneStore, 'hasFormerId'>,
  group: string,
  lane: Partition,
  signal: AbortSignal,
): Promise<TransactionalProducer> {
  const [id, formerId] = [transactionalIdOf(group, lane), formerIdOf(group, lane)];
  if (id === formerId) return await broker.openProducer(id, signal);
  const isFormer = await store.hasFormerId(lane);
  await fence(broker, isFormer ? id : formerId, signal);
  return await broker.openProducer(isFormer ? formerId : id, signal);
}

/** Fences the lane's owner in another group, even if that owner runs a former release. */
export async function fenceGroup(
  broker: Broker,
  group: string,
  lane: Partition,
  signal: AbortSignal,
): Promise<void> {
  for (const id of new Set([formerIdOf(group, lane), transactionalIdOf(group, lane)]))
    await fence(broker, id, signal);
}

async function fence(broker: Broker, transactionalId: string, signal: AbortSignal): Promise<void> {
  const producer = await broker.openProducer(transactionalId, signal);
  await producer.close();
}
