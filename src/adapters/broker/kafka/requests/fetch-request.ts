import type { Decoder } from '../kafkajs-internals.ts';
import { type Exchange, exchange, noTags } from './exchange.ts';
import { idBytes, readId } from './topic-id.ts';

/** A partition of one log. A topic that is deleted and created again is another log. */
export interface LogPartition {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
}

/** A leader's answer to a fetch: the records of one partition from an offset on. */
export interface FetchAnswer {
  readonly errorCode: number;
  /** All transactions before this offset have ended. A `read_committed` reader stops here. */
  readonly lastStableOffset: number;
  /** The aborted transactions that have records in `bytes`. */
  readonly aborted: readonly AbortedTransaction[];
  /** Record batches. The last one may be cut off. */
  readonly bytes: Buffer;
}

export interface AbortedTransaction {
  readonly producerId: string;
  readonly firstOffset: number;
}

const READ_UNCOMMITTED = 0;
const READ_COMMITTED = 1;
const NO_SESSION_EPOCH = -1;
const NOT_GIVEN = -1;
/** A compact array begins with its length and one. */
const ONE = 2;
const NONE = 1;

/**
 * Makes the request that asks a partition's leader for committed records.
 *
 * The request names the topic by its id. So no answer has records of another log with this name.
 *
 * Source: Apache Kafka, protocol guide, Fetch v13 (Kafka 3.1, KIP-516).
 *
 * @param waitMs how long the leader may wait for the first byte
 * @param maxBytes the size of the answer; the leader sends at least one whole record batch
 */
export function fetchRecords(
  { topic, topicId, partition }: LogPartition,
  offset: number,
  { waitMs, maxBytes }: { readonly waitMs: number; readonly maxBytes: number },
): Exchange<FetchAnswer> {
  return exchange<FetchAnswer>(
    { apiKey: 1, apiVersion: 13, apiName: 'Fetch', topics: [topic] },
    (encoder) => {
      noTags(encoder).writeInt32(NOT_GIVEN); // replica id: none, a consumer
      encoder.writeInt32(waitMs).writeInt32(1).writeInt32(maxBytes).writeInt8(READ_COMMITTED);
      encoder.writeInt32(0).writeInt32(NO_SESSION_EPOCH);
      encoder.writeUVarInt(ONE).writeBuffer(idBytes(topicId));
      encoder.writeUVarInt(ONE).writeInt32(partition);
      encoder.writeInt32(NOT_GIVEN).writeInt64(offset); // current leader epoch, offset
      encoder.writeInt32(NOT_GIVEN).writeInt64(NOT_GIVEN); // last epoch, log start offset
      noTags(noTags(encoder.writeInt32(maxBytes))); // of the partition, and of the topic
      return noTags(encoder.writeUVarInt(NONE).writeUVarIntString('')); // forgotten topics, rack
    },
    (decoder) => {
      decoder.readTaggedFields();
      decoder.readInt32(); // throttle time
      const sessionError = decoder.readInt16();
      decoder.readInt32(); // session id
      const [answers] = decoder.readUVarIntArray(readTopic) ?? [];
      const answer = answers?.[0];
      if (!answer) throw new Error(`Kafka's answer to Fetch leaves out ${topic}/${partition}`);
      return sessionError === 0 ? answer : { ...answer, errorCode: sessionError };
    },
  );
}

function readTopic(decoder: Decoder): readonly FetchAnswer[] {
  readId(decoder);
  const answers = decoder.readUVarIntArray(readPartition) ?? [];
  decoder.readTaggedFields();
  return answers;
}

function readPartition(decoder: Decoder): FetchAnswer {
  decoder.readInt32(); // partition
  const errorCode = decoder.readInt16();
  decoder.readInt64(); // high watermark
  const lastStableOffset = Number(decoder.readInt64());
  decoder.readInt64(); // log start offset
  const aborted = decoder.readUVarIntArray(readAborted) ?? [];
  decoder.readInt32(); // preferred read replica
  // kafkajs returns one byte too many.
  const bytes = decoder.readUVarIntBytes()?.subarray(0, -1) ?? Buffer.alloc(0);
  decoder.readTaggedFields();
  return { errorCode, lastStableOffset, aborted, bytes };
}

function readAborted(decoder: Decoder): AbortedTransaction {
  const producerId = String(decoder.readInt64());
  const firstOffset = Number(decoder.readInt64());
  decoder.readTaggedFields();
  return { producerId, firstOffset };
}

const EARLIEST = -2;
const LATEST = -1;

/**
 * Makes the request that asks a partition's leader for its first offset, or for its end.
 * The end includes the records of open transactions.
 *
 * Source: Apache Kafka, protocol guide, ListOffsets v2.
 */
export function listOffset(
  topic: string,
  partition: number,
  which: 'beginning' | 'end',
): Exchange<{ readonly errorCode: number; readonly offset: number }> {
  return exchange(
    { apiKey: 2, apiVersion: 2, apiName: 'ListOffsets', topics: [topic] },
    (encoder) => {
      encoder.writeInt32(NOT_GIVEN).writeInt8(READ_UNCOMMITTED);
      encoder.writeInt32(1).writeString(topic).writeInt32(1).writeInt32(partition);
      return encoder.writeInt64(which === 'beginning' ? EARLIEST : LATEST);
    },
    (decoder) => {
      decoder.readInt32(); // throttle time
      const [answers] = decoder.readArray((each) => {
        each.readString(); // topic
        return each.readArray((of) => {
          of.readInt32(); // partition
          const errorCode = of.readInt16();
          of.readInt64(); // timestamp
          return { errorCode, offset: Number(of.readInt64()) };
        });
      });
      const answer = answers?.[0];
      if (!answer)
        throw new Error(`Kafka's answer to ListOffsets leaves out ${topic}/${partition}`);
      return answer;
    },
  );
}
