import { FailoverError, FencedError } from '../../../service-layer/errors.ts';
import type { LanePosition } from '../../../service-layer/lane-store.ts';
import type { Partition } from '../../../service-layer/records.ts';
import type { Sql } from '../transaction.ts';

/** The columns of `source_positions` that make a `LanePosition`, besides the timeline. */
export const POSITION_COLUMNS = 'next_offset, next_sequence, leader_epoch, owner_group';

export interface PositionRow {
  /** Null: the lane was never seen. */
  readonly next_offset: number | null;
  readonly next_sequence: number | null;
  readonly leader_epoch: number | null;
  readonly owner_group: string | null;
  readonly timeline: string | null;
}

/** Returns the position in the row. A lane that was never seen stands at offset 0, sequence 1. */
export function asPosition([row]: readonly PositionRow[]): LanePosition {
  if (!row) return { nextOffset: 0, nextSequence: 1 };
  return {
    nextOffset: row.next_offset ?? 0,
    nextSequence: row.next_sequence ?? 1,
    ...(row.timeline !== null && { timeline: row.timeline }),
    ...(row.leader_epoch !== null && { leaderEpoch: row.leader_epoch }),
    ...(row.owner_group !== null && { group: row.owner_group }),
  };
}

/**
 * Binds the lane to its log and its group. When another group takes the lane over, the row keeps
 * the former group until that group's answers are settled. If the log differs, nothing changes.
 */
export const BIND = `
  insert into source_positions
    (topic, partition, next_offset, next_sequence, log_id, owner_group, has_former_id)
  values (?, ?, 0, 1, ?, ?, 0)
  on conflict (topic, partition) do update set
    log_id = coalesce(source_positions.log_id, excluded.log_id),
    former_group = case
      when source_positions.log_id <> excluded.log_id or source_positions.owner_group is null
        or source_positions.owner_group = excluded.owner_group then source_positions.former_group
      else coalesce(source_positions.former_group, source_positions.owner_group) end,
    owner_group = case
      when source_positions.log_id <> excluded.log_id then source_positions.owner_group
      else excluded.owner_group end
  returning log_id, former_group`;

/**
 * Locks the lane's row for this transaction, with a write that changes nothing. Creates the row if
 * it is missing.
 * @throws {FencedError} the lane does not stand at `expected`, or works for another group
 * @throws {FailoverError} another database server has taken over, or the server has started again
 */
export async function lockLane(
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
  const actual = asPosition(rows);
  if (actual.timeline !== expected.timeline) {
    throw new FailoverError(
      `The database has failed over or started again (timeline ${expected.timeline} became ` +
        `${actual.timeline}), so it may have lost commits`,
      actual.timeline,
    );
  }
  if (actual.nextOffset !== expected.nextOffset || actual.nextSequence !== expected.nextSequence) {
    throw new FencedError(
      `Another owner has moved ${topic}/${partition} from offset ${expected.nextOffset} ` +
        `to ${actual.nextOffset}`,
    );
  }
  if (actual.group !== expected.group) {
    throw new FencedError(
      `${topic}/${partition} works for the group ${actual.group} by now, not for ${expected.group}`,
    );
  }
}
