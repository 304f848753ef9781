import { createRequire } from 'node:module';
import { type DecodeMessages, inOnePass } from './fetch.ts';

/**
 * Mends three faults of kafkajs 2.2.4 that cannot be worked around from outside. Importing this file applies it, once per process.
 *
 * 1. Its request queue re-arms a timer for ever, also when nothing waits: 1,000 wake-ups per second and connection, and
 *    under Node 24 a TimeoutNegativeWarning (its issue 1751).
 * 2. Its `read_committed` filter expects the aborted transactions of a fetch in the order of their first offsets, and only one
 *    of them to begin before the fetch. The broker lists them in the order of their ends: when several producers of one
 *    partition are aborted, what they wrote shows up as if committed. Here what is aborted is marked before that filter:
 *    like a control record, it moves the position and is not delivered.
 * 3. Decoding a fetch takes it longer than all that the service does with the commands in memory, and spoils some headers: see
 *    `fetch.ts`.
 */
interface RequestQueue {
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests(): void;
}

interface FetchedMessage {
  readonly offset: string;
  readonly key: Buffer | null;
  readonly batchContext?: { readonly producerId: string; readonly inTransaction: boolean };
  isControlRecord?: boolean;
}

interface FetchedPartition {
  abortedTransactions?: readonly { readonly producerId: string; readonly firstOffset: string }[] | null;
  readonly messages: readonly FetchedMessage[];
}

interface Broker {
  fetch(request: unknown): Promise<{ readonly responses: readonly { readonly partitions: readonly FetchedPartition[] }[] }>;
}

const require = createRequire(import.meta.url);
const requestQueue: RequestQueue & { isMended?: true } = require('kafkajs/src/network/requestQueue').prototype;
const broker: Broker = require('kafkajs/src/broker').prototype;

if (!requestQueue.isMended) {
  requestQueue.isMended = true;
  const { scheduleCheckPendingRequests } = requestQueue;
  requestQueue.scheduleCheckPendingRequests = function (this: RequestQueue) {
    if (this.pending.length > 0) scheduleCheckPendingRequests.call(this);
  };
  // Whoever decodes a fetch asks for this module at the first fetch.
  const decodeMessages: DecodeMessages = require('kafkajs/src/protocol/requests/fetch/v4/decodeMessages');
  (require.cache[require.resolve('kafkajs/src/protocol/requests/fetch/v4/decodeMessages')] as NodeModule).exports =
    inOnePass(decodeMessages);
  const { fetch } = broker;
  broker.fetch = async function (this: Broker, request: unknown) {
    const response = await fetch.call(this, request);
    for (const { partitions } of response.responses) for (const partition of partitions) markAborted(partition);
    return response;
  };
}

const ABORT_MARKER = Buffer.from([0, 0, 0, 0]);

function markAborted(partition: FetchedPartition): void {
  const waiting = [...(partition.abortedTransactions ?? [])].sort((a, b) => Number(a.firstOffset) - Number(b.firstOffset));
  const aborted = new Set<string>();
  for (const message of waiting.length > 0 ? partition.messages : []) {
    for (let next = waiting[0]; next && Number(next.firstOffset) <= Number(message.offset); next = waiting[0]) {
      aborted.add(next.producerId);
      waiting.shift();
    }
    const { producerId = '', inTransaction = false } = message.batchContext ?? {};
    if (message.isControlRecord) {
      if (message.key?.equals(ABORT_MARKER)) aborted.delete(producerId);
    } else if (inTransaction && aborted.has(producerId)) message.isControlRecord = true;
  }
  partition.abortedTransactions = [];
}
