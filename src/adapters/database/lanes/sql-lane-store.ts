import { reachFaultPoint } from '../../../fault-points.ts';
import { FencedError } from '../../../service-layer/errors.ts';
import type {
  CommittedProgress,
  LaneBinding,
  LanePosition,
  LaneProgress,
  LaneStanding,
  LaneStore,
  LaneTransaction,
  WaitingRecords,
} from '../../../service-layer/lane-store.ts';
import type { Partition } from '../../../service-layer/records.ts';
import type { Database } from '../database.ts';
import { repeatTransaction } from '../repeat-transaction.ts';
import type { Sql } from '../transaction.ts';
import { asPosition, BIND, lockLane, POSITION_COLUMNS, type PositionRow } from './lane-row.ts';
import { decodeOutbox, encodeOutbox, type OutboxRow } from './outbox.ts';
import { readTimelineColumn } from './timeline.ts';

/**
 * Keeps the lanes in the tables `source_positions`, `waiting_lanes`, `processed_commands` and
 * `outbox`.
 *
 * The steps of a lane transaction:
 *
 * 1. Lock the lane's row. A second owner of the lane then finds the position moved, and gives up.
 * 2. Run the work, which changes the aggregates and flushes them.
 * 3. Delete the published outbox records, and write the new ones and the new position.
 *
 * A crash before the commit undoes all of it. A crash after the commit undoes none of it.
 */
export class SqlLaneStore implements LaneStore {
  readonly #database: Database;
  readonly #onAfterCommitError: (error: unknown) => void;
  #timelineColumn = 'null';

  /** @param onAfterCommitError called when work after a commit has failed, which undoes nothing */
  constructor(database: Database, onAfterCommitError: (error: unknown) => void) {
    this.#database = database;
    this.#onAfterCommitError = onAfterCommitError;
  }

  async bind({ topic, partition }: Partition, logId: string, group: string): Promise<LaneBinding> {
    const [row] = await this.#database.transaction((sql) =>
      sql<{ log_id: string; former_group: string | null }>(BIND, [topic, partition, logId, group]),
    );
    return { logId: row?.log_id ?? logId, formerGroup: row?.former_group ?? null };
  }

  async settle({ topic, partition }: Partition, group: string): Promise<void> {
    const settled = await this.#database.transaction((sql) =>
      sql(
        `update source_positions set former_group = null
         where topic = ? and partition = ? and owner_group = ? returning partition`,
        [topic, partition, group],
      ),
    );
    if (settled.length === 0)
      throw new FencedError(
        `${topic}/${partition} works for another group by now, not for ${group}`,
      );
  }

  async hasFormerId({ topic, partition }: Partition): Promise<boolean> {
    const [row] = await this.#database.read<{ has_former_id: number }>(
      'select has_former_id from source_positions where topic = ? and partition = ?',
      [topic, partition],
    );
    return row?.has_former_id === 1;
  }

  async readPosition({ topic, partition }: Partition): Promise<LanePosition> {
    this.#timelineColumn = await readTimelineColumn(this.#database);
    const columns = `${POSITION_COLUMNS}, ${this.#timelineColumn} as timeline`;
    const rows = await this.#database.read<PositionRow>(
      `select ${columns} from (select 1) as one
       left join source_positions on topic = ? and partition = ?`,
      [topic, partition],
    );
    return asPosition(rows);
  }

  async readPositions(topic: string): Promise<ReadonlyMap<number, number>> {
    const rows = await this.#database.read<{ partition: number; next_offset: number }>(
      'select partition, next_offset from source_positions where topic = ?',
      [topic],
    );
    return new Map(rows.map((row) => [row.partition, row.next_offset]));
  }

  async readStandings(topic: string): Promise<readonly LaneStanding[]> {
    const rows = await this.#database.read<{
      partition: number;
      next_offset: number;
      timestamp_ms: number | null;
      is_paused: number;
    }>(
      `select lane.partition, lane.next_offset, waiting.timestamp_ms,
         case when lane.pause is null then 0 else 1 end as is_paused
       from source_positions as lane
       left join waiting_lanes as waiting on waiting.topic = lane.topic
         and waiting.partition = lane.partition and waiting.next_offset = lane.next_offset
       where lane.topic = ?`,
      [topic],
    );
    return rows.map((row) => ({
      topic,
      partition: row.partition,
      nextOffset: row.next_offset,
      nextTimestampMs: row.timestamp_ms,
      isPaused: row.is_paused === 1,
    }));
  }

  async noteNext({ topic, partition, nextOffset, nextTimestampMs }: LaneStanding): Promise<void> {
    await this.#database.transaction((sql) =>
      sql(
        `insert into waiting_lanes (topic, partition, next_offset, timestamp_ms) values (?, ?, ?, ?)
         on conflict (topic, partition) do update
         set next_offset = excluded.next_offset, timestamp_ms = excluded.timestamp_ms`,
        [topic, partition, nextOffset, nextTimestampMs],
      ),
    );
  }

  async readOutbox(
    { topic, partition }: Partition,
    fromSourceOffset: number,
    belowSourceOffset: number,
  ): Promise<WaitingRecords | null> {
    const [row] = await this.#database.read<OutboxRow & { readonly rests_on: string }>(
      `select sequence, next_offset, records, rests_on from outbox
       where source_topic = ? and source_partition = ? and next_offset > ?
       order by sequence limit 1`,
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
      await lockLane(sql, lane, expected, this.#timelineColumn);
      await deleteOutbox(sql, lane, belowSourceOffset);
    });
  }

  transaction(
    lane: Partition,
    expected: LanePosition,
    work: (transaction: LaneTransaction) => Promise<LaneProgress>,
  ): Promise<CommittedProgress> {
    return repeatTransaction(() => this.#transactionOnce(lane, expected, work));
  }

  #transactionOnce(
    lane: Partition,
    expected: LanePosition,
    work: (transaction: LaneTransaction) => Promise<LaneProgress>,
  ): Promise<CommittedProgress> {
    return this.#database.getSession(async (session) => {
      const locking = lockLane(session.sql, lane, expected, this.#timelineColumn);
      // The first statements follow the lock without waiting for its answer. If another owner has
      // moved the lane, the transaction fails and undoes them.
      const working = work(session);
      working.catch(() => {});
      await locking;
      reachFaultPoint('lane-locked');
      const progress = await working;
      const { records, row } = encodeOutbox(progress.outbox, progress.next.nextOffset);
      await this.#write(session.sql, lane, progress, row);
      reachFaultPoint('progress-written');
      return { ...progress, outbox: records };
    }, this.#onAfterCommitError);
  }

  async #write(
    sql: Sql,
    { topic, partition }: Partition,
    { next, publishedBelowOffset, restsOn }: LaneProgress,
    row: OutboxRow | null,
  ): Promise<void> {
    await Promise.all([
      deleteOutbox(sql, { topic, partition }, publishedBelowOffset),
      row &&
        sql(
          `insert into outbox
             (source_topic, source_partition, sequence, next_offset, records, rests_on)
           values (?, ?, ?, ?, ?, ?)`,
          [topic, partition, row.sequence, row.next_offset, row.records, JSON.stringify(restsOn)],
        ),
      sql(
        `update source_positions set next_offset = ?, next_sequence = ?, leader_epoch = ?
         where topic = ? and partition = ?`,
        [next.nextOffset, next.nextSequence, next.leaderEpoch ?? null, topic, partition],
      ),
    ]);
  }
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
