import { laneName } from '../../../domain/place.ts';
import { FencedError } from '../../../service-layer/errors.ts';
import type { GroupPosition, LogRecord, ReceivedRecord } from '../../../service-layer/records.ts';
import type { Sql } from '../../database/database.ts';
import { ByteReader, ByteWriter, readRecord, writeRecord } from '../../record-bytes.ts';
import type { PlaceInTopic } from '../record-checks.ts';

/** The holder of a transactional id. Only the holder with the newest epoch may write. */
export interface ProducerEpoch {
  readonly transactionalId: string;
  readonly epoch: number;
}

/** A record with its topic and partition. */
export interface RoutedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly record: LogRecord;
}

/** Records of one partition that one transaction appended together. */
export interface RecordBatchRow {
  readonly base_offset: number;
  readonly timestamp_ms: number;
  readonly records: Buffer;
}

const MAX_BATCH_RECORDS = 1_000;
const MAX_BATCH_BYTES = 1024 * 1024;

type Query = <Row>(statement: string, parameters: readonly (string | number)[]) => Promise<Row[]>;

/**
 * Refuses a producer that no longer holds its transactional id.
 * @throws {FencedError} another producer has opened the same transactional id since
 */
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

/** Returns the offset that the partition's next record gets. */
export async function nextOffset(sql: Query, topic: string, partition: number): Promise<number> {
  const [last] = await sql<{ next_offset: number }>(
    `select next_offset from log_batches where topic = ? and partition = ?
     order by base_offset desc limit 1`,
    [topic, partition],
  );
  return last?.next_offset ?? 0;
}

/** Appends the records. @returns their places, in the order given */
export async function insert(
  sql: Sql,
  records: readonly RoutedRecord[],
): Promise<readonly PlaceInTopic[]> {
  const open = new Map<string, OpenBatch>();
  const places: PlaceInTopic[] = [];
  for (const { topic, partition, record } of records) {
    const name = laneName({ topic, partition });
    let batch = open.get(name);
    if (batch?.isFull) await batch.write(sql);
    if (!batch || batch.isFull) {
      batch = new OpenBatch(
        topic,
        partition,
        batch?.nextOffset ?? (await nextOffset(sql, topic, partition)),
      );
      open.set(name, batch);
    }
    places.push({ partition, offset: batch.add(record) });
  }
  for (const batch of open.values()) await batch.write(sql);
  return places;
}

/** Moves the group's committed offset. */
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

/** Reads the records of a batch row. */
export function recordsOf(
  topic: string,
  partition: number,
  { base_offset, timestamp_ms, records }: RecordBatchRow,
): readonly ReceivedRecord[] {
  const reader = new ByteReader(records);
  const received: ReceivedRecord[] = [];
  for (let offset = base_offset; !reader.isAtEnd; offset += 1) {
    received.push({ ...readRecord(reader), topic, partition, offset, timestampMs: timestamp_ms });
  }
  return received;
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

  /** Adds the record. @returns its offset */
  add(record: LogRecord): number {
    writeRecord(this.#writer, record);
    this.nextOffset += 1;
    return this.nextOffset - 1;
  }

  async write(sql: Sql): Promise<void> {
    await sql(
      `insert into log_batches (topic, partition, base_offset, next_offset, timestamp_ms, records)
       values (?, ?, ?, ?, ?, ?)`,
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
