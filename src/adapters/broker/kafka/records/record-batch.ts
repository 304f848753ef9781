import { createRequire } from 'node:module';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { LogRecord } from '../../../../service-layer/records.ts';
import { ByteWriter, bytesOf, writeRecord } from '../../../record-bytes.ts';
import { batchLimitBytes, type PlacedRecord } from './partition-records.ts';

/** Who writes a batch, and how many records it has written to the partition before: the broker drops what it has, and refuses a gap. */
export interface Writer {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly firstSequence: number;
  readonly isTransactional: boolean;
}

const require = createRequire(import.meta.url);
const crc32c: (bytes: Buffer) => number = require('kafkajs/src/protocol/recordBatch/crc32C');

const MAGIC = 2;
const TRANSACTIONAL = 0x10;
const NO_ATTRIBUTES = Buffer.from([0]);
const HEADER_BYTES = 61;
/** What the checksum covers begins here. */
const ATTRIBUTES_AT = 21;

/** Sequences go up to 2^31 - 1. */
const SEQUENCES = 2 ** 31;

/** So many records at a stretch, then others have their turn. */
const STRETCH = 500;
const MAX_BYTES_PER_CHARACTER = 3;
const ROOM_FOR_HEADERS_BYTES = 128 * 1024;

/**
 * A record batch for one partition, made in one pass over one buffer: kafkajs allocates 512 bytes per record and per header.
 *
 * Source: Apache Kafka, message format, record batch (magic 2).
 */
export class BatchEncoder {
  readonly topic: string;
  readonly partition: number;
  readonly maxMessageBytes: number;
  readonly #limitBytes: number;
  readonly #records = new ByteWriter();
  readonly #record = new ByteWriter();
  #count = 0;

  /** @param maxMessageBytes the largest batch that the topic takes */
  constructor(topic: string, partition: number, maxMessageBytes: number) {
    this.topic = topic;
    this.partition = partition;
    this.maxMessageBytes = maxMessageBytes;
    this.#limitBytes = batchLimitBytes(maxMessageBytes);
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return HEADER_BYTES + this.#records.length;
  }

  hasRoomFor(record: LogRecord): boolean {
    const atMost =
      this.bytes + ROOM_FOR_HEADERS_BYTES + MAX_BYTES_PER_CHARACTER * (record.value?.length ?? 0);
    return (
      this.#count === 0 ||
      atMost <= this.#limitBytes ||
      this.bytes + bytesOf(record) <= this.#limitBytes
    );
  }

  add(record: LogRecord): void {
    const body = this.#record;
    body.clear();
    body.raw(NO_ATTRIBUTES);
    body.varint(0); // milliseconds after the batch's timestamp
    body.varint(this.#count); // offset within the batch
    writeRecord(body, record);
    this.#records.varint(body.length);
    this.#records.raw(body.bytes);
    this.#count += 1;
  }

  encode(
    { producerId, producerEpoch, firstSequence, isTransactional }: Writer,
    timestampMs: number,
  ): Buffer {
    const batch = Buffer.allocUnsafe(this.bytes);
    batch.writeBigInt64BE(0n, 0); // the broker gives the first offset
    batch.writeInt32BE(this.bytes - 12, 8);
    batch.writeInt32BE(-1, 12); // the broker gives the leader's epoch
    batch.writeInt8(MAGIC, 16);
    batch.writeInt16BE(isTransactional ? TRANSACTIONAL : 0, ATTRIBUTES_AT);
    batch.writeInt32BE(this.#count - 1, 23);
    batch.writeBigInt64BE(BigInt(timestampMs), 27);
    batch.writeBigInt64BE(BigInt(timestampMs), 35);
    batch.writeBigInt64BE(producerId, 43);
    batch.writeInt16BE(producerEpoch, 51);
    batch.writeInt32BE(firstSequence, 53);
    batch.writeInt32BE(this.#count, 57);
    batch.set(this.#records.bytes, HEADER_BYTES);
    batch.writeUInt32BE(crc32c(batch.subarray(ATTRIBUTES_AT)), 17);
    return batch;
  }
}

/** The sequence of the batch that follows a batch of `count` records: behind the last one comes 0. */
export function sequenceAfter(firstSequence: number, count: number): number {
  return (firstSequence + count) % SEQUENCES;
}

/** The records, in order, in batches that the broker takes, those of one partition in order. A record that is larger goes alone. */
export async function batchesOf(
  records: readonly PlacedRecord[],
): Promise<readonly BatchEncoder[]> {
  const full: BatchEncoder[] = [];
  const open = new Map<string, BatchEncoder>();
  for (const [index, { record, partition, maxMessageBytes }] of records.entries()) {
    if (index % STRETCH === STRETCH - 1) await nextTurn();
    const place = `${partition}/${record.topic}`;
    let batch = open.get(place);
    if (!batch?.hasRoomFor(record)) {
      if (batch) full.push(batch);
      batch = new BatchEncoder(record.topic, partition, maxMessageBytes);
      open.set(place, batch);
    }
    batch.add(record);
  }
  return [...full, ...open.values()];
}
