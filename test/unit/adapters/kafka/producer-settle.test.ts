import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Edge, event, position, TRANSACTIONAL_ID } from '../../../support/fake-kafka/edge.ts';
import { ERRORS } from '../../../support/fake-kafka/error-codes.ts';

const RECORDS = [event(0, 'a'), event(1, 'b')];

let edge: Edge;

beforeEach(async () => {
  edge = await Edge.start();
});

afterEach(async () => {
  vi.useRealTimers();
  await edge[Symbol.asyncDispose]();
});

/** Lists the partitions that take part in the open transaction. */
function openPlaces(): readonly string[] {
  return [...(edge.kafka.model.producers.get(TRANSACTIONAL_ID)?.places ?? [])];
}

describe('a producer that settles', () => {
  it.each(['Produce', 'TxnOffsetCommit', 'EndTxn'] as const)(
    'ends the transaction that a failed %s left open',
    async (api) => {
      const producer = await edge.openProducer();
      edge.kafka.on(api, { error: ERRORS.UNKNOWN_SERVER_ERROR });
      await expect(producer.publish(RECORDS, position(7))).rejects.toThrow();
      await producer.close();
      expect(openPlaces()).not.toEqual([]);
      await producer.settle();
      expect(openPlaces()).toEqual([]);
      expect(edge.committed('events')).toEqual([]);
      expect(edge.committedOffset).toBeNull();
    },
  );

  it('keeps what was committed when only the answer was lost', async () => {
    const producer = await edge.openProducer();
    edge.kafka.on('EndTxn', { broken: 'after' });
    await expect(producer.publish(RECORDS, position(7))).rejects.toThrow();
    await producer.settle();
    expect(edge.committed('events')).toEqual(['a', 'b']);
    expect(edge.committedOffset).toBe(7);
  });

  it('asks nothing after a publication that succeeded', async () => {
    const producer = await edge.openProducer();
    await producer.publish(RECORDS, position(7));
    await producer.close();
    await producer.settle();
    expect(edge.kafka.requests('InitProducerId')).toHaveLength(1);
  });

  it('does not fence the producer that has fenced it', async () => {
    const producer = await edge.openProducer();
    const successor = await edge.openProducer();
    await expect(producer.publish(RECORDS, position(7))).rejects.toThrow();
    await producer.settle();
    await successor.publish(RECORDS, position(8));
    expect(edge.committed('events')).toEqual(['a', 'b']);
  });

  it('gives up when the coordinator does not answer', async () => {
    const producer = await edge.openProducer();
    edge.kafka.on('EndTxn', { error: ERRORS.UNKNOWN_SERVER_ERROR });
    await expect(producer.publish(RECORDS, position(7))).rejects.toThrow();
    edge.kafka.on('InitProducerId', { silence: 'before' }, { isLasting: true });
    await expect(producer.settle()).resolves.toBeUndefined();
    expect(openPlaces()).not.toEqual([]);
  });
});
