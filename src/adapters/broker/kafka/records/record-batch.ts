import { setImmediate as nextTurn } from 'node:timers/promises';
import type { LogRecord } from '../../../../service-layer/records.ts';
import { ByteWriter, bytesOf, writeRecord } from '../../../record-bytes.ts';
import { ATTRIBUTES, MAGIC } from './batch-header.ts';
import { writeChecksum } from './checksum.ts';
import { BATCH_HEADER_BYTES, batchLimitBytes, type PartitionRecord } from './partition-records.ts';

/**
 * The producer of a record batch, and the batch's turn among its batches for the partition.
 */
interface BatchProducer {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  /**
   * The sequence of the batch's first record. The broker drops a batch that it already has, and
   * refuses a batch that leaves a gap.
   */
  readonly firstSequence: number;
  readonly isTransactional: boolean;
}

const TRANSACTIONAL = 0x10;
const NO_ATTRIBUTES = Buffer.from([0]);

/** The number of sequences, which go from 0 to 2^31 - 1. */
const SEQUENCES = 2 ** 31;

/** How many records are encoded before other work of the process gets its turn. */
const MAX_RECORDS_PER_TURN = 500;
const MAX_BYTES_PER_CHARACTER = 3;
/** The room for a key and headers. A record that fits with this room need not be measured. */
const ROOM_FOR_HEADERS_BYTES = 128 * 1024;

/**
 * Encodes a record batch for one partition in one pass over one buffer. kafkajs's own encoder
 * allocates 512 bytes for each record and each header.
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

  /** @param maxMessageBytes the largest record batch that the topic accepts */
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
    return BATCH_HEADER_BYTES + this.#records.length;
  }

  /** Tells whether the batch may take the record. An empty batch takes any record. */
  hasRoomFor(record: LogRecord): boolean {
    const upperBound =
      this.bytes + ROOM_FOR_HEADERS_BYTES + MAX_BYTES_PER_CHARACTER * (record.value?.length ?? 0);
    return (
      this.#count === 0 ||
      upperBound <= this.#limitBytes ||
      this.bytes + bytesOf(record) <= this.#limitBytes
    );
  }

  add(record: LogRecord): void {
    const body = this.#record;
    body.clear();
    body.raw(NO_ATTRIBUTES);
    body.varint(0); // milliseconds after the batch's first timestamp
    body.varint(this.#count); // offset within the batch
    writeRecord(body, record);
    this.#records.varint(body.length);
    this.#records.raw(body.bytes);
    this.#count += 1;
  }

  /** Returns the record batch in the form of Kafka's protocol, without compression. */
  encode(
    { producerId, producerEpoch, firstSequence, isTransactional }: BatchProducer,
    timestampMs: number,
  ): Buffer {
    const batch = Buffer.allocUnsafe(this.bytes);
    batch.writeBigInt64BE(0n, 0); // the broker sets the first offset
    batch.writeInt32BE(this.bytes - 12, 8);
    batch.writeInt32BE(-1, 12); // the broker sets the leader epoch
    batch.writeInt8(MAGIC, 16);
    batch.writeInt16BE(isTransactional ? TRANSACTIONAL : 0, ATTRIBUTES);
    batch.writeInt32BE(this.#count - 1, 23);
    batch.writeBigInt64BE(BigInt(timestampMs), 27);
    batch.writeBigInt64BE(BigInt(timestampMs), 35);
    batch.writeBigInt64BE(producerId, 43);
    batch.writeInt16BE(producerEpoch, 51);
    batch.writeInt32BE(firstSequence, 53);
    batch.writeInt32BE(this.#count, 57);
    batch.set(this.#records.bytes, BATCH_HEADER_BYTES);
    writeChecksum(batch);
    return batch;
  }
}

/** Returns the sequence after a batch of `count` records. 0 follows the last sequence. */
export function sequenceAfter(firstSequence: number, count: number): number {
  return (firstSequence + count) % SEQUENCES;
}

/**
 * Puts the records into batches that Kafka accepts. Each partition's records keep their order. A
 * record above the limit of a batch gets a batch of its own.
 */
export async function batchesOf(
  records: readonly PartitionRecord[],
): Promise<readonly BatchEncoder[]> {
  const full: BatchEncoder[] = [];
  const open = new Map<string, BatchEncoder>();
  for (const [index, { record, partition, maxMessageBytes }] of records.entries()) {
    if (index % MAX_RECORDS_PER_TURN === MAX_RECORDS_PER_TURN - 1) await nextTurn();
    const name = `${partition}/${record.topic}`;
    let batch = open.get(name);
    if (!batch?.hasRoomFor(record)) {
      if (batch) full.push(batch);
      batch = new BatchEncoder(record.topic, partition, maxMessageBytes);
      open.set(name, batch);
    }
    batch.add(record);
  }
  return [...full, ...open.values()];
}
