import type { Database } from '../adapters/database/database.ts';
import { readPauses } from '../adapters/database/lanes/pause-rows.ts';
import { readPositions } from '../adapters/database/replay/lane-positions.ts';
import type { LanePause } from '../service-layer/lane-store.ts';

interface ListedLane {
  readonly partition: number;
  /** The offset of the next command to decide. */
  readonly position: number;
  /** Null: nobody has paused the lane. */
  readonly paused: LanePause | null;
}

/**
 * Lists the lanes of the topic that the service has ever opened, in the order of their partitions.
 *
 * @throws {TroubleError} the database cannot be reached
 */
export async function listLanes(database: Database, topic: string): Promise<readonly ListedLane[]> {
  const positions = await readPositions(database, topic);
  const pauses = await readPauses(database, topic);
  return positions
    .map(({ partition, nextOffset: position }) => {
      return { partition, position, paused: pauses.get(partition) ?? null };
    })
    .toSorted((one, other) => one.partition - other.partition);
}
