import { ERROR } from './requests/error-codes.ts';

/** Failures without an answer of Kafka. */
const CONNECTION_FAILURES = ['unreachable', 'connection_lost', 'timeout'] as const;

/** Kafka's names of errors that only kafkajs reads, for producers and the admin. */
const OF_KAFKAJS = [
  'CONCURRENT_TRANSACTIONS',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'GROUP_LOAD_IN_PROGRESS',
  'INVALID_PRODUCER_EPOCH',
  'INVALID_TXN_STATE',
  'NOT_COORDINATOR_FOR_GROUP',
  'NOT_ENOUGH_REPLICAS',
  'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  'NOT_LEADER_FOR_PARTITION',
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'PRODUCER_FENCED',
];

/** The codes that belong to the usual course of every rebalance. */
const NO_ERRORS: readonly string[] = ['NONE', 'MEMBER_ID_REQUIRED', 'REBALANCE_IN_PROGRESS'];

const names = [...CONNECTION_FAILURES, ...Object.keys(ERROR), ...OF_KAFKAJS]
  .filter((name) => !NO_ERRORS.includes(name))
  .toSorted();
const counts = new Map([...names, 'other'].map((name) => [name, 0]));

/** How often Kafka failed in this process, by the name of the error. Metrics read this. */
export const brokerErrors: ReadonlyMap<string, number> = counts;

/**
 * Counts an error.
 * @param name Kafka's name of the error; an unknown name counts as `other`
 */
export function countBrokerError(name: string): void {
  if (NO_ERRORS.includes(name)) return;
  const known = counts.has(name) ? name : 'other';
  counts.set(known, (counts.get(known) ?? 0) + 1);
}
