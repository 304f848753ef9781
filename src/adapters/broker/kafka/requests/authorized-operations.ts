import type { Decoder } from '../kafkajs-internals.ts';

/** What Kafka answers if it does not tell. Source: KIP-430. */
const NOT_TOLD = -(2 ** 31);

/** Reads what the client may do, one bit for each operation. Null: not asked, or not told. */
export function operationsIn(decoder: Decoder): number | null {
  const operations = decoder.readInt32();
  return operations === NOT_TOLD ? null : operations;
}
