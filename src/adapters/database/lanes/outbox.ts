import type { AnswerRecord, OutboxRecord } from '../../../service-layer/lane-store.ts';
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

/** The records of one transaction, encoded, and the row that keeps them. */
interface EncodedOutbox {
  readonly records: readonly OutboxRecord[];
  /** Null: the transaction has no records. */
  readonly row: OutboxRow | null;
}

/** Encodes the records of one transaction. The bytes of a record are the same as in the row. */
export function encodeOutbox(answers: readonly AnswerRecord[], nextOffset: number): EncodedOutbox {
  const sequence = answers[0]?.sequence;
  if (sequence === undefined) return { records: [], row: null };
  const writer = new ByteWriter();
  const places = answers.map((answer) => {
    writer.varint(answer.sequence - sequence);
    writer.varint(nextOffset - 1 - answer.sourceOffset);
    writer.nullableBytes(answer.topic);
    const start = writer.length;
    writeRecord(writer, answer);
    return { answer, start, end: writer.length };
  });
  // Take the bytes last: the writer moves them whenever it needs more room.
  const { bytes } = writer;
  const records = places.map(({ answer, start, end }) => ({
    ...answer,
    encoded: bytes.subarray(start, end),
  }));
  return { records, row: { sequence, next_offset: nextOffset, records: bytes } };
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
    const topic = String(reader.nullableBytes());
    const start = reader.position;
    const record = readRecord(reader);
    const encoded = records.subarray(start, reader.position);
    outbox.push({ ...origin, topic, ...record, encoded });
  }
  return outbox;
}
