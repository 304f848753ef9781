import { describe, expect, it, vi } from 'vitest';
import { FencedError, TroubleError } from '../../../../src/service-layer/errors.ts';
import { Edge, event, position, TRANSACTIONAL_ID } from '../../../support/fake-kafka/edge.ts';
import { ERRORS, type ErrorName } from '../../../support/fake-kafka/error-codes.ts';

/** Errors while the former transaction ends, or while the coordinator moves or loads. */
const NOT_YET: readonly ErrorName[] = [
  'CONCURRENT_TRANSACTIONS',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR',
];
const FENCED: readonly ErrorName[] = ['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED'];
const TROUBLE: readonly ErrorName[] = [
  'UNKNOWN_SERVER_ERROR',
  'CLUSTER_AUTHORIZATION_FAILED',
  'INVALID_REQUEST',
  'INVALID_PRODUCER_ID_MAPPING',
  'INVALID_TRANSACTION_TIMEOUT',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
];

/** Well below 10 s, after which a request without an answer is given up. */
const AT_ONCE_MS = 5_000;
/** The time after which an opening no longer waits for the end of the former transaction. */
const GIVEN_UP_MS = 29_001;

describe.concurrent('opening a producer', () => {
  it('asks the coordinator of its transactional id for an epoch', async ({ expect }) => {
    await using edge = await Edge.start();
    await edge.openProducer();
    expect(edge.kafka.requests('FindCoordinator')).toEqual([{ key: TRANSACTIONAL_ID, kind: 1 }]);
    expect(edge.kafka.requests('InitProducerId', 3)).toEqual([
      { transactionalId: TRANSACTIONAL_ID, timeoutMs: 60_000 },
    ]);
  });

  it.for(NOT_YET)('asks for the epoch again in place after %s', async (name, { expect }) => {
    await using edge = await Edge.start();
    for (const nth of [1, 2, 3]) edge.kafka.on('InitProducerId', { error: ERRORS[name] }, { nth });
    const producer = await edge.openProducer();
    expect(edge.kafka.requests('InitProducerId')).toHaveLength(4);
    await producer.publish([event(0, 'a')], position(1));
    expect(edge.committedOffset).toBe(1);
  });

  it('goes to the new coordinator after NOT_COORDINATOR', async ({ expect }) => {
    await using edge = await Edge.start();
    edge.kafka.on(
      'InitProducerId',
      { error: ERRORS.NOT_COORDINATOR },
      { node: 3, isLasting: true },
    );
    const opening = edge.openProducer();
    await edge.kafka.seen('InitProducerId');
    edge.kafka.model.coordinators.transaction.set(TRANSACTIONAL_ID, 2);
    await opening;
    expect(edge.kafka.requests('InitProducerId', 2)).toHaveLength(1);
  });

  it.for(FENCED)('fails with a FencedError after %s', async (name, { expect }) => {
    await using edge = await Edge.start();
    edge.kafka.on('InitProducerId', { error: ERRORS[name] });
    await expect(edge.openProducer()).rejects.toThrow(FencedError);
    expect(edge.kafka.requests('InitProducerId')).toHaveLength(1);
  });

  it.for(TROUBLE)('fails with a TroubleError after %s', async (name, { expect }) => {
    await using edge = await Edge.start();
    edge.kafka.on('InitProducerId', { error: ERRORS[name] });
    const opening = edge.openProducer();
    await expect(opening).rejects.toThrow(TroubleError);
    await expect(opening).rejects.toThrow(`Opening the producer ${TRANSACTIONAL_ID}`);
    expect(edge.kafka.requests('InitProducerId')).toHaveLength(1);
  });

  it.for(['before', 'after'] as const)(
    'fails if the connection breaks %s InitProducerId is carried out',
    async (when, { expect }) => {
      await using edge = await Edge.start();
      edge.kafka.on('InitProducerId', { broken: when });
      await expect(edge.openProducer()).rejects.toThrow(TroubleError);
      const successor = await edge.openProducer();
      await successor.publish([event(0, 'a')], position(1));
      expect(edge.committed('events')).toEqual(['a']);
    },
  );

  it.for(['FindCoordinator', 'InitProducerId'] as const)(
    'ends at once if its signal aborts while %s is not answered',
    async (api, { expect }) => {
      await using edge = await Edge.start();
      edge.kafka.on(api, { silence: 'before' }, { isLasting: true });
      const closing = new AbortController();
      const refused = expect(edge.openProducer(closing.signal)).rejects.toThrow(TroubleError);
      await edge.kafka.seen(api);
      const abortedMs = performance.now();
      closing.abort();
      await refused;
      expect(performance.now() - abortedMs).toBeLessThan(AT_ONCE_MS);
    },
  );

  it('asks for no epoch once its signal has aborted', async ({ expect }) => {
    await using edge = await Edge.start();
    const closing = new AbortController();
    const found = Promise.withResolvers<void>();
    edge.kafka.on('FindCoordinator', { held: found.promise });
    const refused = expect(edge.openProducer(closing.signal)).rejects.toThrow(TroubleError);
    await edge.kafka.seen('FindCoordinator');
    closing.abort();
    await refused;
    found.resolve();
    await edge.settle();
    expect(edge.kafka.requests('InitProducerId')).toEqual([]);
  });

  it('asks again while the id has no coordinator', async ({ expect }) => {
    await using edge = await Edge.start();
    edge.kafka.on('FindCoordinator', { error: ERRORS.COORDINATOR_NOT_AVAILABLE });
    await edge.openProducer();
    expect(edge.kafka.requests('FindCoordinator').length).toBeGreaterThan(1);
  });

  const refused = [
    'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
    'INVALID_REQUEST',
    'UNKNOWN_SERVER_ERROR',
  ] as const;
  it.for(refused)('fails while FindCoordinator answers %s', async (name, { expect }) => {
    await using edge = await Edge.start();
    edge.kafka.on('FindCoordinator', { error: ERRORS[name] }, { isLasting: true });
    await expect(edge.openProducer()).rejects.toThrow(TroubleError);
    expect(edge.kafka.requests('InitProducerId')).toEqual([]);
  });
});

describe.concurrent('a producer that cannot learn where to send', () => {
  const names = [
    'UNKNOWN_TOPIC_OR_PARTITION',
    'INVALID_TOPIC_EXCEPTION',
    'TOPIC_AUTHORIZATION_FAILED',
  ] as const;

  it.for(names)('sends nothing while Metadata answers %s', async (name, { expect }) => {
    await using edge = await Edge.start();
    const producer = await edge.openProducer();
    edge.kafka.on('Metadata', { error: ERRORS[name], at: 'events' }, { isLasting: true });
    await expect(producer.publish([event(0, 'a')], position(1))).rejects.toThrow(TroubleError);
    expect(edge.kafka.requests('AddPartitionsToTxn')).toEqual([]);
    expect(edge.committedOffset).toBeNull();
  });

  it('sends nothing while a partition has no leader', async ({ expect }) => {
    await using edge = await Edge.start();
    const producer = await edge.openProducer();
    const log = edge.kafka.model.partition('events', 1);
    if (log) log.leader = -1;
    await expect(producer.publish([event(0, 'a'), event(1, 'b')], position(1))).rejects.toThrow(
      TroubleError,
    );
    expect(edge.kafka.requests('Produce')).toEqual([]);
    expect(edge.committedOffset).toBeNull();
  });
});

it('says that Kafka still ends the former transaction when that takes too long', async () => {
  await using edge = await Edge.start();
  const error = { error: ERRORS.CONCURRENT_TRANSACTIONS };
  edge.kafka.on('InitProducerId', error, { isLasting: true });
  const opening = edge.openProducer();
  await edge.kafka.seen('InitProducerId');
  const nowMs = Date.now();
  using _clock = vi.spyOn(Date, 'now').mockReturnValue(nowMs + GIVEN_UP_MS);
  await expect(opening).rejects.toThrow('Kafka still ends the former transaction');
});
