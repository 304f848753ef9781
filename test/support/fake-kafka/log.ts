import { createRequire } from 'node:module';
import { ByteReader, readRecord } from '../../../src/adapters/record-bytes.ts';
import type { LogRecord } from '../../../src/service-layer/records.ts';

const require = createRequire(import.meta.url);
const crc32c: (bytes: Buffer) => number = require('kafkajs/src/protocol/recordBatch/crc32C');
const encodeRecord: (
  record: object,
) => unknown = require('kafkajs/src/protocol/recordBatch/record/v0');
const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0');

const HEADER_BYTES = 61;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;

/** A record batch (magic 2), as it is in a request and in the log. */
export interface Batch {
  readonly bytes: Buffer;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly firstSequence: number;
  readonly count: number;
  readonly isTransactional: boolean;
  readonly isIntact: boolean;
  readonly baseOffset: number;
  readonly nextOffset: number;
  readonly records: readonly LogRecord[];
}

export function readBatch(bytes: Buffer): Batch {
  const attributes = bytes.readInt16BE(21);
  const count = bytes.readInt32BE(57);
  const baseOffset = Number(bytes.readBigInt64BE(0));
  return {
    bytes,
    producerId: Number(bytes.readBigInt64BE(43)),
    producerEpoch: bytes.readInt16BE(51),
    firstSequence: bytes.readInt32BE(53),
    count,
    isTransactional: (attributes & TRANSACTIONAL) !== 0,
    isIntact:
      crc32c(bytes.subarray(21)) === bytes.readUInt32BE(17) &&
      bytes.readInt32BE(8) === bytes.length - 12,
    baseOffset,
    nextOffset: baseOffset + bytes.readInt32BE(23) + 1,
    get records() {
      return (attributes & CONTROL) === 0 ? recordsOf(bytes, count) : [];
    },
  };
}

function recordsOf(bytes: Buffer, count: number): readonly LogRecord[] {
  const reader = new ByteReader(bytes.subarray(HEADER_BYTES));
  return Array.from({ length: count }, () => {
    reader.varint(); // length in bytes
    reader.byte(); // attributes
    reader.varlong(); // timestamp
    reader.varint(); // offset
    return readRecord(reader);
  });
}

/** Builds a record batch that belongs to no transaction. */
export async function batchOf(records: readonly LogRecord[]): Promise<Batch> {
  return await build(records, {});
}

const NO_PRODUCER = { producerId: -1, producerEpoch: -1, firstSequence: -1 };

async function build(records: readonly LogRecord[], writer: object): Promise<Batch> {
  const encoded = await RecordBatch({
    records: records.map((record, offsetDelta) =>
      encodeRecord({ ...record, offsetDelta, timestampDelta: 0 }),
    ),
    ...NO_PRODUCER,
    ...writer,
    firstTimestamp: 0,
    maxTimestamp: 0,
    lastOffsetDelta: records.length - 1,
  });
  return readBatch(Buffer.from(encoded.buffer));
}

/** Builds the marker that ends a transaction in a partition. Its type and version are its key. */
async function marker(
  producerId: number,
  producerEpoch: number,
  isCommit: boolean,
): Promise<Batch> {
  const key = Buffer.from([0, 0, 0, isCommit ? 1 : 0]);
  const writer = { producerId, producerEpoch, transactional: true };
  const { bytes } = await build([{ key, value: Buffer.alloc(6), headers: {} }], writer);
  bytes.writeInt16BE(TRANSACTIONAL | CONTROL, 21);
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17);
  return readBatch(bytes);
}

interface Aborted {
  readonly producerId: number;
  readonly firstOffset: number;
  readonly end: number;
}

/** The records of one partition, and its leader. */
export class PartitionLog {
  leader: number;
  leaderEpoch = 0;
  beginning = 0;
  readonly batches: Batch[] = [];
  readonly #open = new Map<number, number>();
  readonly #aborted: Aborted[] = [];

  constructor(leader: number) {
    this.leader = leader;
  }

  get end(): number {
    return this.batches.at(-1)?.nextOffset ?? this.beginning;
  }

  get lastStableOffset(): number {
    return Math.min(this.end, ...this.#open.values());
  }

  get aborted(): readonly Aborted[] {
    return this.#aborted;
  }

  /** Returns the values that a `read_committed` reader sees. */
  visible(): readonly (Buffer | string | null)[] {
    const isAborted = ({ producerId, baseOffset, nextOffset }: Batch) =>
      this.#aborted.some(
        (each) =>
          each.producerId === producerId &&
          each.firstOffset <= baseOffset &&
          nextOffset <= each.end,
      );
    const seen = this.batches.filter(
      (batch) => batch.nextOffset <= this.lastStableOffset && !isAborted(batch),
    );
    return seen.flatMap(({ records }) => records.map(({ value }) => value));
  }

  /**
   * Appends a record batch.
   * @returns the offset of its first record
   */
  append({ bytes }: Batch): number {
    const baseOffset = this.end;
    const copy = Buffer.from(bytes);
    copy.writeBigInt64BE(BigInt(baseOffset), 0);
    copy.writeInt32BE(this.leaderEpoch, 12);
    const batch = readBatch(copy);
    this.batches.push(batch);
    if (batch.isTransactional && !this.#open.has(batch.producerId))
      this.#open.set(batch.producerId, baseOffset);
    return baseOffset;
  }

  async endTransaction(
    producerId: number,
    producerEpoch: number,
    isCommit: boolean,
  ): Promise<void> {
    this.append(await marker(producerId, producerEpoch, isCommit));
    const firstOffset = this.#open.get(producerId) ?? this.end;
    this.#open.delete(producerId);
    if (!isCommit) this.#aborted.push({ producerId, firstOffset, end: this.end });
  }

  /**
   * Returns the offset of a record batch that the log already has. A producer that got no answer
   * sends the batch again.
   */
  offsetOf({ producerId, producerEpoch, firstSequence, count }: Batch): number | undefined {
    const isSame = (batch: Batch) =>
      batch.producerId === producerId &&
      batch.producerEpoch === producerEpoch &&
      batch.firstSequence === firstSequence &&
      batch.count === count;
    return firstSequence < 0 ? undefined : this.batches.find(isSame)?.baseOffset;
  }

  /** Returns the sequence that the next record batch of the producer must have. */
  nextSequence(producerId: number, producerEpoch: number): number {
    const isOf = (batch: Batch) =>
      batch.producerId === producerId && batch.producerEpoch === producerEpoch;
    const last = this.batches.findLast((batch) => isOf(batch) && batch.firstSequence >= 0);
    return last ? last.firstSequence + last.count : 0;
  }

  /** Returns whole record batches, from the one with this offset on. */
  read(offset: number, maxBytes: number, isCommittedOnly: boolean): Buffer {
    const end = isCommittedOnly ? this.lastStableOffset : this.end;
    const parts: Buffer[] = [];
    let bytes = 0;
    for (const batch of this.batches) {
      if (batch.nextOffset <= offset || batch.baseOffset >= end) continue;
      if (parts.length > 0 && bytes + batch.bytes.length > maxBytes) break;
      parts.push(batch.bytes);
      bytes += batch.bytes.length;
    }
    return Buffer.concat(parts);
  }
}
