import { passing } from '../../../fault-points.ts';
import { FailoverError, FencedError } from '../../../service-layer/errors.ts';
import type {
  LaneClaim,
  LanePosition,
  LaneProgress,
  LaneStanding,
  LaneStore,
  LaneTransaction,
  WaitingRecords,
} from '../../../service-layer/lane-store.ts';
import type { Partition } from '../../../service-layer/records.ts';
import type { Database } from '../database.ts';
import { repeating } from '../repeating.ts';
import type { Sql } from '../transaction.ts';
import { decodeOutbox, encodeOutbox, type OutboxRow } from './outbox.ts';
import { readTimelineColumn } from './timeline.ts';

/**
 * The lanes' tables: `source_positions`, `waiting_lanes`, `processed_commands`, `outbox`.
 *
 * A lane transaction locks the lane's row first, so that two owners of one lane meet on it: the second finds the position
 * moved and gives up. Then the work; then, one statement per table: the aggregates, the deletion of what is out, the
 * outbox, the new position. A crash before the commit undoes all of it, after it none.
 */
export class SqlLaneStore implements LaneStore {
  readonly #database: Database;
  readonly #onAfterCommitError: (error: unknown) => void;
  #timelineColumn = 'null';

  /** @param onAfterCommitError told of work after a commit that failed; it undoes nothing */
  constructor(database: Database, onAfterCommitError: (error: unknown) => void) {
    this.#database = database;
    this.#onAfterCommitError = onAfterCommitError;
  }

  async claim({ topic, partition }: Partition, logId: string, group: string): Promise<LaneClaim> {
    const [row] = await this.#database.transaction((sql) =>
      sql<{ log_id: string; former_group: string | null }>(CLAIM, [topic, partition, logId, group]),
    );
    return { logId: row?.log_id ?? logId, formerGroup: row?.former_group ?? null };
  }

  async settle({ topic, partition }: Partition, group: string): Promise<void> {
    const settled = await this.#database.transaction((sql) =>
      sql(
        'update source_positions set former_group = null where topic = ? and partition = ? and owner_group = ? returning partition',
        [topic, partition, group],
      ),
    );
    if (settled.length === 0)
      throw new FencedError(`${topic}/${partition} works for another group than ${group} by now`);
  }

  async hasFormerId({ topic, partition }: Partition): Promise<boolean> {
    const [row] = await this.#database.query<{ has_former_id: number }>(
      'select has_former_id from source_positions where topic = ? and partition = ?',
      [topic, partition],
    );
    return row?.has_former_id === 1;
  }

  async readPosition({ topic, partition }: Partition): Promise<LanePosition> {
    this.#timelineColumn = await readTimelineColumn(this.#database);
    const columns = `${POSITION_COLUMNS}, ${this.#timelineColumn} as timeline`;
    const rows = await this.#database.query<PositionRow>(
      `select ${columns} from (select 1) as one left join source_positions on topic = ? and partition = ?`,
      [topic, partition],
    );
    return asPosition(rows);
  }

  async readPositions(topic: string): Promise<ReadonlyMap<number, number>> {
    const rows = await this.#database.query<{ partition: number; next_offset: number }>(
      'select partition, next_offset from source_positions where topic = ?',
      [topic],
    );
    return new Map(rows.map((row) => [row.partition, row.next_offset]));
  }

  async readStandings(topic: string): Promise<readonly LaneStanding[]> {
    const rows = await this.#database.query<{
      partition: number;
      next_offset: number;
      timestamp_ms: number | null;
    }>(
      `select lane.partition, lane.next_offset, waiting.timestamp_ms from source_positions as lane
       left join waiting_lanes as waiting on waiting.topic = lane.topic and waiting.partition = lane.partition
         and waiting.next_offset = lane.next_offset
       where lane.topic = ?`,
      [topic],
    );
    return rows.map((row) => ({
      topic,
      partition: row.partition,
      nextOffset: row.next_offset,
      nextTimestampMs: row.timestamp_ms,
    }));
  }

  async noteNext({ topic, partition, nextOffset, nextTimestampMs }: LaneStanding): Promise<void> {
    await this.#database.transaction((sql) =>
      sql(
        `insert into waiting_lanes (topic, partition, next_offset, timestamp_ms) values (?, ?, ?, ?)
         on conflict (topic, partition) do update set next_offset = excluded.next_offset, timestamp_ms = excluded.timestamp_ms`,
        [topic, partition, nextOffset, nextTimestampMs],
      ),
    );
  }

  async readOutbox(
    { topic, partition }: Partition,
    fromSourceOffset: number,
    belowSourceOffset: number,
  ): Promise<WaitingRecords | null> {
    const [row] = await this.#database.query<OutboxRow & { readonly rests_on: string }>(
      `select sequence, next_offset, records, rests_on from outbox
       where source_topic = ? and source_partition = ? and next_offset > ? order by sequence limit 1`,
      [topic, partition, fromSourceOffset],
    );
    if (!row) return null;
    const records = decodeOutbox(row).filter(
      ({ sourceOffset }) => sourceOffset >= fromSourceOffset && sourceOffset < belowSourceOffset,
    );
    return {
      records,
      nextOffset: Math.min(row.next_offset, belowSourceOffset),
      restsOn: JSON.parse(row.rests_on),
    };
  }

  async deleteOutbox(lane: Partition, belowSourceOffset: number): Promise<void> {
    await this.#database.transaction((sql) => deleteOutbox(sql, lane, belowSourceOffset));
  }

  async deletePublished(
    lane: Partition,
    expected: LanePosition,
    belowSourceOffset: number,
  ): Promise<void> {
    await this.#database.transaction(async (sql) => {
      await lock(sql, lane, expected, this.#timelineColumn);
      await deleteOutbox(sql, lane, belowSourceOffset);
    });
  }

  transaction(
    lane: Partition,
    expected: LanePosition,
    work: (transaction: LaneTransaction) => Promise<LaneProgress>,
  ): Promise<LaneProgress> {
    return repeating(() => this.#transactionOnce(lane, expected, work));
  }

  #transactionOnce(
    lane: Partition,
    expected: LanePosition,
    work: (transaction: LaneTransaction) => Promise<LaneProgress>,
  ): Promise<LaneProgress> {
    return this.#database.getSession(async (session) => {
      const locked = lock(session.sql, lane, expected, this.#timelineColumn);
      // Its first statements are sent behind the lock at once: on a lane that another owner has moved they come to nothing.
      const working = work(session);
      working.catch(() => {});
      await locked;
      passing('lane-locked');
      const progress = await working;
      await this.#write(session.sql, lane, progress);
      passing('progress-written');
      return progress;
    }, this.#onAfterCommitError);
  }

  async #write(sql: Sql, { topic, partition }: Partition, progress: LaneProgress): Promise<void> {
    const { next, outbox, publishedBelowOffset, restsOn } = progress;
    const row = outbox.length > 0 ? encodeOutbox(outbox, next.nextOffset) : null;
    await Promise.all([
      deleteOutbox(sql, { topic, partition }, publishedBelowOffset),
      row &&
        sql(
          'insert into outbox (source_topic, source_partition, sequence, next_offset, records, rests_on) values (?, ?, ?, ?, ?, ?)',
          [topic, partition, row.sequence, row.next_offset, row.records, JSON.stringify(restsOn)],
        ),
      sql(
        'update source_positions set next_offset = ?, next_sequence = ?, leader_epoch = ? where topic = ? and partition = ?',
        [next.nextOffset, next.nextSequence, next.leaderEpoch ?? null, topic, partition],
      ),
    ]);
  }
}

/** A group that takes a lane over remembers the one before it until it has settled what that one published. */
const CLAIM = `
  insert into source_positions (topic, partition, next_offset, next_sequence, log_id, owner_group, has_former_id)
  values (?, ?, 0, 1, ?, ?, 0)
  on conflict (topic, partition) do update set
    log_id = coalesce(source_positions.log_id, excluded.log_id),
    former_group = case
      when source_positions.log_id <> excluded.log_id or source_positions.owner_group is null
        or source_positions.owner_group = excluded.owner_group then source_positions.former_group
      else coalesce(source_positions.former_group, source_positions.owner_group) end,
    owner_group = case
      when source_positions.log_id <> excluded.log_id then source_positions.owner_group else excluded.owner_group end
  returning log_id, former_group`;

const POSITION_COLUMNS = 'next_offset, next_sequence, leader_epoch, owner_group';

interface PositionRow {
  /** Null: the lane was never seen. */
  readonly next_offset: number | null;
  readonly next_sequence: number | null;
  readonly leader_epoch: number | null;
  readonly owner_group: string | null;
  readonly timeline: string | null;
}

/** Takes the lane's row, made if it is not there, for this transaction: a write, though it changes nothing, locks it. */
async function lock(
  sql: Sql,
  { topic, partition }: Partition,
  expected: LanePosition,
  timelineColumn: string,
): Promise<void> {
  const rows = await sql<PositionRow>(
    `insert into source_positions (topic, partition, next_offset, next_sequence) values (?, ?, 0, 1)
     on conflict (topic, partition) do update set next_offset = source_positions.next_offset
       returning ${POSITION_COLUMNS}, ${timelineColumn} as timeline`,
    [topic, partition],
  );
  const found = asPosition(rows);
  if (found.timeline !== expected.timeline) {
    throw new FailoverError(
      `The database has failed over or started again, from timeline ${expected.timeline} to ${found.timeline}: commits may be lost`,
      found.timeline,
    );
  }
  if (found.nextOffset !== expected.nextOffset || found.nextSequence !== expected.nextSequence) {
    throw new FencedError(
      `Another owner has moved ${topic}/${partition} from ${expected.nextOffset} to ${found.nextOffset}`,
    );
  }
  if (found.group !== expected.group) {
    throw new FencedError(
      `${topic}/${partition} works for the group ${found.group} by now, not for ${expected.group}`,
    );
  }
}

function asPosition([row]: readonly PositionRow[]): LanePosition {
  if (!row) return { nextOffset: 0, nextSequence: 1 };
  return {
    nextOffset: row.next_offset ?? 0,
    nextSequence: row.next_sequence ?? 1,
    ...(row.timeline !== null && { timeline: row.timeline }),
    ...(row.leader_epoch !== null && { leaderEpoch: row.leader_epoch }),
    ...(row.owner_group !== null && { group: row.owner_group }),
  };
}

async function deleteOutbox(
  sql: Sql,
  { topic, partition }: Partition,
  belowSourceOffset: number,
): Promise<void> {
  await sql(
    'delete from outbox where source_topic = ? and source_partition = ? and next_offset <= ?',
    [topic, partition, belowSourceOffset],
  );
}
