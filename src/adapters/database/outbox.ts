import type { OutboxRecord } from '../../service-layer/unit-of-work.ts';
import { ByteReader, ByteWriter, readRecord, writeRecord } from '../record-bytes.ts';

/** The records that one lane transaction left to publish. */
export interface OutboxRow {
  /** Of the first record. */
  readonly sequence: number;
  /** The lane's position after the transaction. */
  readonly next_offset: number;
  /** Per record: how far it is from that sequence, and from that offset; its topic; the record. */
  readonly records: Buffer;
}

/** @param outbox at least one record */
export function encodeOutbox(outbox: readonly OutboxRecord[], nextOffset: number): OutboxRow {
  const sequence = outbox[0]?.sequence ?? Number.NaN;
  const writer = new ByteWriter();
  for (const record of outbox) {
    writer.varint(record.sequence - sequence);
    writer.varint(nextOffset - 1 - record.sourceOffset);
    writer.sized(record.topic);
    writeRecord(writer, record);
  }
  return { sequence, next_offset: nextOffset, records: writer.bytes };
}

export function decodeOutbox({ sequence, next_offset, records }: OutboxRow): readonly OutboxRecord[] {
  const reader = new ByteReader(records);
  const outbox: OutboxRecord[] = [];
  while (!reader.isAtEnd) {
    const place = { sequence: sequence + reader.varint(), sourceOffset: next_offset - 1 - reader.varint() };
    outbox.push({ ...place, topic: String(reader.sized()), ...readRecord(reader) });
  }
  return outbox;
}
