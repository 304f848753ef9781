import type { Broker, Partition } from '../service-layer/unit-of-work.ts';

/**
 * The transactional id of a group's lane. Topic names have no "~", so no two lanes of any two groups share an id: group
 * `a-b` with topic `c` has `a-b-c-0`, group `a` with topic `b-c` has `a-b~c-0`.
 */
export function transactionalIdOf(group: string, { topic, partition }: Partition): string {
  return `${group}-${topic.replaceAll('-', '~')}-${partition}`;
}

/** The id of the same lane in releases before 2026-11-26. */
function idOfFormerRelease(group: string, { topic, partition }: Partition): string {
  return `${group}-${topic}-${partition}`;
}

/** Fences an owner of the lane that runs a former release, and ends the transaction that it left open. */
export async function fenceFormerRelease(broker: Broker, group: string, lane: Partition): Promise<void> {
  const id = idOfFormerRelease(group, lane);
  if (id !== transactionalIdOf(group, lane)) await fence(broker, id);
}

/** The same for whoever owns the lane for another group. */
export async function fenceGroup(broker: Broker, group: string, lane: Partition): Promise<void> {
  await fenceFormerRelease(broker, group, lane);
  await fence(broker, transactionalIdOf(group, lane));
}

async function fence(broker: Broker, transactionalId: string): Promise<void> {
  const producer = await broker.openProducer(transactionalId);
  await producer.close();
}
