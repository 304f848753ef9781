import { FencedError } from '../../../service-layer/errors.ts';
import type { GroupPosition, LogRecord, ReceivedRecord } from '../../../service-layer/records.ts';
import type { Sql } from '../../database/database.ts';
import { ByteReader, ByteWriter, readRecord, writeRecord } from '../../record-bytes.ts';

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
export interface PlacedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly record: LogRecord;
}

/** Records of one partition that were appended together. */
export interface BatchRow {
  readonly base_offset: number;
  readonly timestamp_ms: number;
  readonly records: Buffer;
}

const MAX_BATCH_RECORDS = 1_000;
const MAX_BATCH_BYTES = 1024 * 1024;

type Query = <Row>(statement: string, parameters: readonly (string | number)[]) => Promise<Row[]>;

export async function refuseFormerHolder(
  sql: Sql,
  { transactionalId, epoch }: ProducerEpoch,
): Promise<void> {
  const [row] = await sql<{ epoch: number }>(
    'select epoch from log_producers where transactional_id = ?',
    [transactionalId],
  );
  if (row?.epoch !== epoch)
    throw new FencedError(`Another producer has taken over ${transactionalId}`);
}

export async function nextOffset(sql: Query, topic: string, partition: number): Promise<number> {
  const [last] = await sql<{ next_offset: number }>(
    'select next_offset from log_batches where topic = ? and partition = ? order by base_offset desc limit 1',
    [topic, partition],
  );
  return last?.next_offset ?? 0;
}

/** Appends the records, in order. @returns their places */
export async function insert(
  sql: Sql,
  records: readonly PlacedRecord[],
): Promise<readonly Place[]> {
  const open = new Map<string, OpenBatch>();
  const places: Place[] = [];
  for (const { topic, partition, record } of records) {
    const lane = `${topic}/${partition}`;
    let batch = open.get(lane);
    if (batch?.isFull) await batch.write(sql);
    if (!batch || batch.isFull) {
      batch = new OpenBatch(
        topic,
        partition,
        batch?.nextOffset ?? (await nextOffset(sql, topic, partition)),
      );
      open.set(lane, batch);
    }
    places.push({ partition, offset: batch.add(record) });
  }
  for (const batch of open.values()) await batch.write(sql);
  return places;
}

export async function moveGroup(
  sql: Sql,
  { group, topic, partition, nextOffset }: GroupPosition,
): Promise<void> {
  await sql(
    `insert into log_group_offsets (group_id, topic, partition, next_offset) values (?, ?, ?, ?)
     on conflict (group_id, topic, partition) do update set next_offset = excluded.next_offset`,
    [group, topic, partition, nextOffset],
  );
}

export function recordsOf(
  topic: string,
  partition: number,
  { base_offset, timestamp_ms, records }: BatchRow,
): readonly ReceivedRecord[] {
  const reader = new ByteReader(records);
  const found: ReceivedRecord[] = [];
  for (let offset = base_offset; !reader.isAtEnd; offset += 1) {
    found.push({ ...readRecord(reader), topic, partition, offset, timestampMs: timestamp_ms });
  }
  return found;
}

class OpenBatch {
  readonly #topic: string;
  readonly #partition: number;
  readonly #baseOffset: number;
  readonly #writer = new ByteWriter();
  nextOffset: number;

  constructor(topic: string, partition: number, baseOffset: number) {
    this.#topic = topic;
    this.#partition = partition;
    this.#baseOffset = baseOffset;
    this.nextOffset = baseOffset;
  }

  get isFull(): boolean {
    return (
      this.nextOffset - this.#baseOffset >= MAX_BATCH_RECORDS ||
      this.#writer.length >= MAX_BATCH_BYTES
    );
  }

  /** @returns its offset */
  add(record: LogRecord): number {
    writeRecord(this.#writer, record);
    this.nextOffset += 1;
    return this.nextOffset - 1;
  }

  async write(sql: Sql): Promise<void> {
    await sql(
      'insert into log_batches (topic, partition, base_offset, next_offset, timestamp_ms, records) values (?, ?, ?, ?, ?, ?)',
      [
        this.#topic,
        this.#partition,
        this.#baseOffset,
        this.nextOffset,
        Date.now(),
        this.#writer.bytes,
      ],
    );
  }
}
