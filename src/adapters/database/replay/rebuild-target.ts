import type { OutboxRecord } from '../../../service-layer/lane-store.ts';
import type { PartitionOffset } from '../../../service-layer/records.ts';
import { REBUILD_LOCK } from '../advisory-lock.ts';
import type { Database } from '../database.ts';
import { codeOf } from '../errors.ts';
import { decodeOutbox, type OutboxRow } from '../lanes/outbox.ts';
import type { Sql } from '../transaction.ts';

/** What a database says of a rebuild: one that is under way in it, or that it shows the past. */
export interface RebuildMark {
  readonly state: 'unfinished' | 'past';
  /** JSON. */
  readonly plan: string;
}

/** The database is being rebuilt, or shows the past: no service may run on it. */
export class MarkedDatabaseError extends Error {
  readonly code = 'marked-database';
}

/**
 * @param goesOn whether this service goes on with a rebuild that is not finished
 * @throws {MarkedDatabaseError}
 */
export async function refuseMarked(
  database: Database,
  { goesOn }: { readonly goesOn: boolean },
): Promise<void> {
  const mark = await readMark(database);
  if (!mark || (goesOn && mark.state === 'unfinished')) return;
  throw new MarkedDatabaseError(
    mark.state === 'past'
      ? 'The database shows the past, from "replay rebuild --until": set DATABASE_URL to another one'
      : 'The database is being rebuilt: let "npx allocation replay rebuild" finish, or start it again to go on (or the service with AUTO_RECOVER=true)',
  );
}

/** The mark of a database that no service may run on; null: it has none. */
export async function readMark(database: Database): Promise<RebuildMark | null> {
  const [mark] = await database.query<RebuildMark>('select state, plan from rebuilds');
  return mark ?? null;
}

export async function writeMark(database: Database, { state, plan }: RebuildMark): Promise<void> {
  await database.query('insert into rebuilds (state, plan) values (?, ?)', [state, plan]);
}

/** Whether nothing was ever answered in it. A service that was started on it, and refused, leaves positions at 0. */
export async function isEmpty(database: Database): Promise<boolean> {
  const [row] = await database.query<{ used: number | boolean }>(
    `select exists (select 1 from products) or exists (select 1 from processed_commands) or exists (select 1 from outbox)
      or exists (select 1 from source_positions where next_offset > 0) as used`,
  );
  return !row?.used;
}

/**
 * The pool closes a connection that was idle for 10 s. One that is idle for longer is a pooler's own,
 * and still has the name of the process that used it last.
 */
const MAX_IDLE_S = 12;

/** Whether another process has it open just now, and does not merely wait for its turn to rebuild it. */
export async function isUsedByOthers(database: Database): Promise<boolean> {
  if (database.dialect === 'postgresql') {
    const [row] = await database.query<{ others: number }>(
      `select count(*) as others from pg_stat_activity
       where datname = current_database() and application_name like 'allocation%' and application_name <> current_setting('application_name')
         and (state <> 'idle' or state_change > now() - interval '${MAX_IDLE_S} s')
         and application_name not in (
           select application_name from pg_locks join pg_stat_activity as waiting using (pid)
           where locktype = 'advisory' and objid = ${REBUILD_LOCK} and not granted)`,
    );
    return Number(row?.others) > 0;
  }
  try {
    // SQLite leaves its WAL only for one who is alone.
    const [row] = await database.query<{ journal_mode: string }>('pragma journal_mode = delete');
    await database.query('pragma journal_mode = wal');
    return row?.journal_mode === 'wal';
  } catch (error) {
    if (error instanceof Error && codeOf(error.cause).startsWith('SQLITE_BUSY')) return true;
    throw error;
  }
}

/** Where a lane stands, and in which log; null: in none yet. */
export interface PositionInLog extends PartitionOffset {
  readonly logId: string | null;
}

/** Where the lanes of the topic stand. */
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
  /** What that one published is not settled yet. */
  readonly formerGroup: string | null;
}

/** The topic's lanes by partition. */
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
    'select partition, next_offset, owner_group, former_group from source_positions where topic = ?',
    [topic],
  );
  return new Map(
    rows.map((row) => [
      row.partition,
      { nextOffset: row.next_offset, group: row.owner_group, formerGroup: row.former_group },
    ]),
  );
}

/** What waits in the outbox for a topic, in order. */
export async function readWaitingRecords(
  database: Database,
  source: string,
  topic: string,
): Promise<readonly OutboxRecord[]> {
  const rows = await database.query<OutboxRow>(
    'select sequence, next_offset, records from outbox where source_topic = ? order by source_partition, sequence',
    [source],
  );
  return rows.flatMap((row) => decodeOutbox(row)).filter((record) => record.topic === topic);
}

/** Where the lanes go on. Answers in the outbox of an older copy are out since; a lane that is ahead of the group has some that are not, and stays. */
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
 * Notes how far a copy of the database knows the events topic: all that lies below was made by what it holds. The rows are none of a
 * lane's, since nobody takes commands from that topic.
 */
export async function writeSeen(
  sql: Sql,
  seen: readonly PartitionOffset[],
  eventsLogId: string,
): Promise<void> {
  await setPositions(sql, seen, eventsLogId);
}

/** What `writeSeen` noted, of the same log, by partition; null: nothing. */
export async function readSeen(
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
      `insert into source_positions (topic, partition, next_offset, next_sequence, log_id) values (?, ?, ?, 1, ?)
       on conflict (topic, partition) do update set log_id = excluded.log_id,
         leader_epoch = case when source_positions.log_id = excluded.log_id and source_positions.next_offset >= excluded.next_offset
           then source_positions.leader_epoch else null end,
         next_offset = case when source_positions.log_id = excluded.log_id and source_positions.next_offset > excluded.next_offset
           then source_positions.next_offset else excluded.next_offset end`,
      [topic, partition, nextOffset, logId],
    );
  }
}
