import type { OutboxRecord } from '../../../service-layer/lane-store.ts';
import type { PartitionOffset } from '../../../service-layer/records.ts';
import type { Database } from '../database.ts';
import { decodeOutbox, type OutboxRow } from '../lanes/outbox.ts';
import type { Sql } from '../transaction.ts';

/** Where a lane stands, and in which log. */
interface PositionInLog extends PartitionOffset {
  /** Null: the lane has no log yet. */
  readonly logId: string | null;
}

/** Returns where the lanes of the topic stand. */
export async function readPositions(
  database: Database,
  topic: string,
): Promise<readonly PositionInLog[]> {
  const rows = await database.query<{
    partition: number;
    next_offset: number;
    log_id: string | null;
  }>('select partition, next_offset, log_id from source_positions where topic = ?', [topic]);
  return rows.map(({ partition, next_offset: nextOffset, log_id: logId }) => ({
    topic,
    partition,
    nextOffset,
    logId,
  }));
}

/** Where a lane stands, and the groups that it works and worked for. */
export interface LaneOwner {
  readonly nextOffset: number;
  readonly group: string | null;
  /** The former group, until its answers are settled. Null: there is none. */
  readonly formerGroup: string | null;
}

/** Returns the owners of the topic's lanes, by partition. */
export async function readLaneOwners(
  database: Database,
  topic: string,
): Promise<ReadonlyMap<number, LaneOwner>> {
  const rows = await database.query<{
    partition: number;
    next_offset: number;
    owner_group: string | null;
    former_group: string | null;
  }>(
    `select partition, next_offset, owner_group, former_group
     from source_positions where topic = ?`,
    [topic],
  );
  return new Map(
    rows.map((row) => [
      row.partition,
      { nextOffset: row.next_offset, group: row.owner_group, formerGroup: row.former_group },
    ]),
  );
}

/**
 * Returns the records that wait in the outbox for a topic, in order.
 * @param source the topic of the commands
 */
export async function readWaitingRecords(
  database: Database,
  source: string,
  topic: string,
): Promise<readonly OutboxRecord[]> {
  const rows = await database.query<OutboxRow>(
    `select sequence, next_offset, records from outbox where source_topic = ?
     order by source_partition, sequence`,
    [source],
  );
  return rows.flatMap((row) => decodeOutbox(row)).filter((record) => record.topic === topic);
}

/**
 * Sets where the lanes go on, and deletes the outbox records below these positions. An older copy's
 * outbox holds answers that were published since. A lane that is further keeps its position, and
 * the records above.
 */
export async function writePositions(
  sql: Sql,
  positions: readonly PartitionOffset[],
  logId: string,
): Promise<void> {
  await setPositions(sql, positions, logId);
  for (const { topic, partition, nextOffset } of positions) {
    await sql(
      'delete from outbox where source_topic = ? and source_partition = ? and next_offset <= ?',
      [topic, partition, nextOffset],
    );
  }
}

/**
 * Notes up to which offsets a copy of the database contains the events topic. These rows of
 * `source_positions` belong to no lane, because no lane reads commands from that topic.
 */
export async function writeEventEnds(
  sql: Sql,
  ends: readonly PartitionOffset[],
  eventsLogId: string,
): Promise<void> {
  await setPositions(sql, ends, eventsLogId);
}

/** Returns what `writeEventEnds` noted for the same log, by partition. Null: nothing. */
export async function readEventEnds(
  database: Database,
  eventsTopic: string,
  eventsLogId: string,
): Promise<ReadonlyMap<number, number> | null> {
  const rows = await database.query<{ partition: number; next_offset: number }>(
    'select partition, next_offset from source_positions where topic = ? and log_id = ?',
    [eventsTopic, eventsLogId],
  );
  return rows.length === 0 ? null : new Map(rows.map((row) => [row.partition, row.next_offset]));
}

async function setPositions(
  sql: Sql,
  positions: readonly PartitionOffset[],
  logId: string,
): Promise<void> {
  for (const { topic, partition, nextOffset } of positions) {
    await sql(
      `insert into source_positions (topic, partition, next_offset, next_sequence, log_id)
       values (?, ?, ?, 1, ?)
       on conflict (topic, partition) do update set log_id = excluded.log_id,
         leader_epoch = case
           when source_positions.log_id = excluded.log_id
             and source_positions.next_offset >= excluded.next_offset
           then source_positions.leader_epoch else null end,
         next_offset = case
           when source_positions.log_id = excluded.log_id
             and source_positions.next_offset > excluded.next_offset
           then source_positions.next_offset else excluded.next_offset end`,
      [topic, partition, nextOffset, logId],
    );
  }
}
