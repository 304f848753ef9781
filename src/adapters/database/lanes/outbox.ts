import type { OutboxRecord } from '../../../service-layer/lane-store.ts';
import { ByteReader, ByteWriter, readRecord, writeRecord } from '../../record-bytes.ts';

/** The records that one lane transaction left to publish. */
export interface OutboxRow {
  /** The sequence number of the first record. */
  readonly sequence: number;
  /** The lane's position after the transaction. */
  readonly next_offset: number;
  /**
   * Per record: its distance from `sequence`, the distance of its command from the last command
   * before `next_offset`, its topic, and the record itself.
   */
  readonly records: Buffer;
}

/**
 * Encodes the records of one transaction as a row. Sets `encoded` on each record, so that the relay
 * does not encode the record again.
 * @param outbox at least one record
 */
export function encodeOutbox(outbox: readonly OutboxRecord[], nextOffset: number): OutboxRow {
  const sequence = outbox[0]?.sequence ?? Number.NaN;
  const writer = new ByteWriter();
  const ends = outbox.map((record) => {
    writer.varint(record.sequence - sequence);
    writer.varint(nextOffset - 1 - record.sourceOffset);
    writer.nullableBytes(record.topic);
    const start = writer.length;
    writeRecord(writer, record);
    return { start, end: writer.length };
  });
  const records = writer.bytes;
  for (const [index, { start, end }] of ends.entries())
    (outbox[index] as OutboxRecord).encoded = records.subarray(start, end);
  return { sequence, next_offset: nextOffset, records };
}

/** Decodes the records of a row, in their order. */
export function decodeOutbox({
  sequence,
  next_offset,
  records,
}: OutboxRow): readonly OutboxRecord[] {
  const reader = new ByteReader(records);
  const outbox: OutboxRecord[] = [];
  while (!reader.isAtEnd) {
    const origin = {
      sequence: sequence + reader.varint(),
      sourceOffset: next_offset - 1 - reader.varint(),
    };
    outbox.push({ ...origin, topic: String(reader.nullableBytes()), ...readRecord(reader) });
  }
  return outbox;
}
