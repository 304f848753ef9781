import { FencedError, type GroupPosition } from '../../service-layer/unit-of-work.ts';
import type { Sql } from '../database/database.ts';
import type { StoredRecord } from '../database/record-codec.ts';

/** Who may write under a transactional id: the newest epoch. */
export interface ProducerEpoch {
  readonly transactionalId: string;
  readonly epoch: number;
}

export interface Place {
  readonly partition: number;
  readonly offset: number;
}

/** A record with the partition that its key chose. */
export interface PlacedRecord extends StoredRecord {
  readonly topic: string;
  readonly partition: number;
}

export async function refuseFormerHolder(sql: Sql, { transactionalId, epoch }: ProducerEpoch): Promise<void> {
  const [row] = await sql<{ epoch: number }>('select epoch from log_producers where transactional_id = ?', [transactionalId]);
  if (row?.epoch !== epoch) throw new FencedError(`Another producer has taken over ${transactionalId}`);
}

export async function nextOffset(
  sql: <Row>(statement: string, parameters: readonly (string | number)[]) => Promise<Row[]>,
  topic: string,
  partition: number,
) {
  const [row] = await sql<{ last: number | null }>('select max(record_offset) as last from log_records where topic = ? and partition = ?', [
    topic,
    partition,
  ]);
  return (row?.last ?? -1) + 1;
}

export async function insert(sql: Sql, records: readonly PlacedRecord[]): Promise<readonly Place[]> {
  const next = new Map<string, number>();
  const places: Place[] = [];
  const rows: (string | number | null)[][] = [];
  const nowMs = Date.now();
  for (const { topic, partition, key, value, headers, encoding } of records) {
    const lane = `${topic}/${partition}`;
    const offset = next.get(lane) ?? (await nextOffset(sql, topic, partition));
    next.set(lane, offset + 1);
    places.push({ partition, offset });
    rows.push([topic, partition, offset, nowMs, key, value, headers, encoding]);
  }
  if (rows.length > 0) {
    await sql(
      `insert into log_records (topic, partition, record_offset, timestamp_ms, key, value, headers, encoding)
       select ${rows[0]?.map((_, index) => `json_extract(value, '$[${index}]')`).join(', ')} from json_each(?)`,
      [JSON.stringify(rows)],
    );
  }
  return places;
}

export async function moveGroup(sql: Sql, { group, topic, partition, nextOffset }: GroupPosition): Promise<void> {
  await sql(
    `insert into log_group_offsets (group_id, topic, partition, next_offset) values (?, ?, ?, ?)
     on conflict (group_id, topic, partition) do update set next_offset = excluded.next_offset`,
    [group, topic, partition, nextOffset],
  );
}
