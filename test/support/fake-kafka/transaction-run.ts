import { expect } from 'vitest';
import { TroubleError } from '../../../src/service-layer/errors.ts';
import type { ApiName } from './apis.ts';
import { type Edge, event, position } from './edge.ts';

/** The requests of a transaction, in their order. */
export const TRANSACTION_APIS = [
  'AddPartitionsToTxn',
  'AddOffsetsToTxn',
  'Produce',
  'TxnOffsetCommit',
  'EndTxn',
] as const satisfies readonly ApiName[];
export type TransactionApi = (typeof TRANSACTION_APIS)[number];
/** Those of them that go to the coordinator of transactions. */
export const COORDINATED_APIS = ['AddPartitionsToTxn', 'AddOffsetsToTxn', 'EndTxn'] as const;

export const RECORDS = [event(0, 'a'), event(1, 'b'), event(2, 'c'), event(3, 'd')];
export const VALUES = ['a', 'b', 'c', 'd'];
/** How many nodes lead the partitions of `RECORDS`. */
export const LEADERS = 3;

/** Publishes into the planned fault. The producer must end. @returns the error */
export async function failure(edge: Edge): Promise<Error> {
  const producer = await edge.openProducer();
  const error = await producer.publish(RECORDS, position(7)).then(
    () => new Error('It was published'),
    (reason: Error) => reason,
  );
  expect(edge.kafka.isScriptDone).toBe(true);
  await expectEnd(edge, producer);
  return error;
}

/** Expects that the producer publishes no more, and sends nothing about transactions. */
export async function expectEnd(
  edge: Edge,
  producer: Awaited<ReturnType<Edge['openProducer']>>,
): Promise<void> {
  const before = edge.kafka.received.length;
  await expect(producer.publish(RECORDS, position(8))).rejects.toThrow(TroubleError);
  await edge.settle();
  const since = edge.kafka.received.slice(before).map(({ api }) => api);
  expect(since.filter((api) => (TRANSACTION_APIS as readonly ApiName[]).includes(api))).toEqual([]);
}

/** Opens the next producer, which must settle what is left and publish everything once. */
export async function successorPublishes(edge: Edge): Promise<void> {
  edge.kafka.heal();
  const successor = await edge.openProducer();
  await successor.publish(RECORDS, position(7));
  expect(edge.committed('events')).toEqual(VALUES);
  expect(edge.committedOffset).toBe(7);
}

export function expectNothingCommitted(edge: Edge): void {
  expect(edge.kafka.requests('EndTxn')).toEqual([]);
  expect(edge.committed('events')).toEqual([]);
  expect(edge.committedOffset).toBeNull();
}
