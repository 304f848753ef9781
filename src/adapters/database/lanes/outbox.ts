import type { OutboxRecord } from '../../../service-layer/lane-store.ts';
import { ByteReader, ByteWriter, readRecord, writeRecord } from '../../record-bytes.ts';

/** The records that one lane transaction left to publish. */
export interface OutboxRow {
  /** Of the first record. */
  readonly sequence: number;
  /** The lane's position after the transaction. */
  readonly next_offset: number;
  /** Per record: how far it is from that sequence, and from that offset; its topic; the record. */
  readonly records: Buffer;
}

/**
 * Leaves with each record its encoded form, for whoever publishes it.
 * @param outbox at least one record
 */
export function encodeOutbox(outbox: readonly OutboxRecord[], nextOffset: number): OutboxRow {
  const sequence = outbox[0]?.sequence ?? Number.NaN;
  const writer = new ByteWriter();
  const ends = outbox.map((record) => {
    writer.varint(record.sequence - sequence);
    writer.varint(nextOffset - 1 - record.sourceOffset);
    writer.sized(record.topic);
    const start = writer.length;
    writeRecord(writer, record);
    return { start, end: writer.length };
  });
  const records = writer.bytes;
  for (const [index, { start, end }] of ends.entries())
    (outbox[index] as OutboxRecord).encoded = records.subarray(start, end);
  return { sequence, next_offset: nextOffset, records };
}

export function decodeOutbox({
  sequence,
  next_offset,
  records,
}: OutboxRow): readonly OutboxRecord[] {
  const reader = new ByteReader(records);
  const outbox: OutboxRecord[] = [];
  while (!reader.isAtEnd) {
    const place = {
      sequence: sequence + reader.varint(),
      sourceOffset: next_offset - 1 - reader.varint(),
    };
    outbox.push({ ...place, topic: String(reader.sized()), ...readRecord(reader) });
  }
  return outbox;
}
