import type { LanePause } from '../../../service-layer/lane-store.ts';
import type { Partition } from '../../../service-layer/records.ts';
import type { Database } from '../database.ts';

/** Reads the pauses of the topic's lanes, by partition. */
export async function readPauses(
  database: Pick<Database, 'read'>,
  topic: string,
): Promise<ReadonlyMap<number, LanePause>> {
  const rows = await database.read<{ partition: number; pause: string }>(
    'select partition, pause from source_positions where topic = ? and pause is not null',
    [topic],
  );
  return new Map(rows.map(({ partition, pause }) => [partition, JSON.parse(pause)]));
}

/**
 * Pauses the lane, or resumes it. Waits for the lane's transaction in hand. A pause of a paused
 * lane replaces the former one.
 * @param pause null: resume the lane
 * @returns false: there is no such lane, because the service has never opened it
 */
export async function writePause(
  database: Pick<Database, 'transaction'>,
  { topic, partition }: Partition,
  pause: LanePause | null,
): Promise<boolean> {
  const changed = await database.transaction((sql) =>
    sql(
      `update source_positions set pause = ? where topic = ? and partition = ?
       returning partition`,
      [pause && JSON.stringify(pause), topic, partition],
    ),
  );
  return changed.length > 0;
}
