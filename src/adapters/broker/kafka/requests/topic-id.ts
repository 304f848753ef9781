import type { Decoder } from '../kafkajs-internals.ts';

/*
 * A topic's id, as 32 hexadecimal digits. A topic that is deleted and created again gets another id
 * (KIP-516).
 */

const ID_BYTES = 16;

/** Stands in a request for a topic that its name identifies. */
export const NO_ID = Buffer.alloc(ID_BYTES);

/** Reads the id and moves the decoder past it. */
export function readId(decoder: Decoder): string {
  decoder.offset += ID_BYTES;
  return decoder.buffer.toString('hex', decoder.offset - ID_BYTES, decoder.offset);
}

/** Returns the bytes of the id. */
export function idBytes(topicId: string): Buffer {
  return Buffer.from(topicId, 'hex');
}

/** Identifies a topic's log among those of all clusters. */
export function logIdOf(clusterId: string, topicId: string): string {
  return `${clusterId}/${topicId}`;
}

/** Returns the topic's id in a log id. */
export function topicIdIn(logId: string): string {
  return logId.slice(logId.lastIndexOf('/') + 1);
}
