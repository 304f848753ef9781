import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { TroubleError } from '../../../../src/service-layer/errors.ts';
import { Edge, position } from '../../../support/fake-kafka/edge.ts';
import { ERRORS } from '../../../support/fake-kafka/error-codes.ts';
import type { Fate } from '../../../support/fake-kafka/script.ts';
import {
  COORDINATED_APIS,
  expectEnd,
  expectNothingCommitted,
  failure,
  LEADERS,
  RECORDS,
  successorPublishes,
  TRANSACTION_APIS,
  type TransactionApi,
  VALUES,
} from '../../../support/fake-kafka/transaction-run.ts';

let edge: Edge;

beforeEach(async () => {
  edge = await Edge.start();
});

afterEach(async () => {
  await edge[Symbol.asyncDispose]();
});

it('Produce is not sent again once the producer is closed', async () => {
  const producer = await edge.openProducer();
  edge.kafka.on('Produce', { error: ERRORS.NOT_LEADER_OR_FOLLOWER }, { isLasting: true });
  const refused = expect(producer.publish(RECORDS, position(7))).rejects.toThrow(TroubleError);
  await edge.kafka.seen('Produce', LEADERS);
  await producer.close();
  await refused;
  expect(edge.kafka.requests('Produce')).toHaveLength(LEADERS);
  expectNothingCommitted(edge);
});

describe('at a broken connection', () => {
  const WHEN = ['before', 'after'] as const;
  const cases = TRANSACTION_APIS.filter((api) => api !== 'Produce').flatMap((api) =>
    WHEN.map((when) => [api, when] as const),
  );

  it.each(WHEN)('Produce, broken %s it was carried out, is written once', async (when) => {
    const producer = await edge.openProducer();
    edge.kafka.on('Produce', { broken: when });
    await producer.publish(RECORDS, position(7));
    expect(edge.committed('events')).toEqual(VALUES);
    expect(edge.committedOffset).toBe(7);
  });

  it.each(cases)('%s, broken %s it was carried out, ends the producer', async (api, when) => {
    edge.kafka.on(api, { broken: when });
    expect(await failure(edge)).toBeInstanceOf(TroubleError);
    const isOut = api === 'EndTxn' && when === 'after';
    expect(edge.committed('events')).toEqual(isOut ? VALUES : []);
    expect(edge.committedOffset).toBe(isOut ? 7 : null);
    if (!isOut) await successorPublishes(edge);
  });
});

describe('without an answer', () => {
  const CLOSING_MS = 3_000;
  /** Publishes with this fate of the request, and lets `seconds` pass. */
  async function publishWith(api: TransactionApi, fate: Fate, seconds: number) {
    edge.kafka.on(api, fate);
    const producer = await edge.openProducer();
    vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'] });
    const outcome = producer.publish(RECORDS, position(7)).then(
      () => 'published',
      (error: unknown) => error,
    );
    await edge.kafka.seen(api);
    await vi.advanceTimersByTimeAsync(seconds * 1_000);
    return { producer, outcome };
  }

  afterEach(() => {
    vi.useRealTimers();
  });

  it.each(TRANSACTION_APIS)('%s ends the producer within 21 seconds', async (api) => {
    const { producer, outcome } = await publishWith(api, { silence: 'before' }, 21);
    expect(await outcome).toBeInstanceOf(TroubleError);
    // A closing producer waits a moment for the answer.
    await vi.advanceTimersByTimeAsync(CLOSING_MS);
    vi.useRealTimers();
    await expectEnd(edge, producer);
    await successorPublishes(edge);
  });

  it.each(COORDINATED_APIS)(
    '%s ends the producer within 11 seconds before Kafka 3.8',
    async (api) => {
      edge.kafka.model.newestProduce = 10;
      const { producer, outcome } = await publishWith(api, { silence: 'before' }, 11);
      expect(await outcome).toBeInstanceOf(TroubleError);
      await vi.advanceTimersByTimeAsync(CLOSING_MS);
      vi.useRealTimers();
      await expectEnd(edge, producer);
    },
  );

  it('InitProducerId ends the opening within 21 seconds', async () => {
    const found = Promise.withResolvers<void>();
    edge.kafka.on('FindCoordinator', { held: found.promise });
    edge.kafka.on('InitProducerId', { silence: 'before' });
    const outcome = edge.openProducer().catch((error: unknown) => error);
    await edge.kafka.seen('FindCoordinator');
    vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'] });
    found.resolve();
    await edge.kafka.seen('InitProducerId');
    await vi.advanceTimersByTimeAsync(21_000);
    expect(await outcome).toBeInstanceOf(TroubleError);
  });

  it('TxnOffsetCommit ends the producer after 21 seconds without a coordinator', async () => {
    const fate = { error: ERRORS.COORDINATOR_NOT_AVAILABLE };
    edge.kafka.on('TxnOffsetCommit', fate, { isLasting: true });
    const { outcome } = await publishWith('TxnOffsetCommit', fate, 21);
    expect(await outcome).toBeInstanceOf(TroubleError);
    vi.useRealTimers();
    await successorPublishes(edge);
  });

  it('Produce ends the producer after 21 seconds without enough replicas', async () => {
    const fate = { error: ERRORS.NOT_ENOUGH_REPLICAS };
    edge.kafka.on('Produce', fate, { isLasting: true });
    const { outcome } = await publishWith('Produce', fate, 21);
    const error = await outcome;
    expect(error).toBeInstanceOf(TroubleError);
    expect((error as Error).message).toContain('fewer in-sync replicas than required');
    vi.useRealTimers();
    await successorPublishes(edge);
  });

  it.each(TRANSACTION_APIS)(
    '%s may take 14 seconds, as long as an election of leaders',
    async (api) => {
      const elected = Promise.withResolvers<void>();
      const { outcome } = await publishWith(api, { held: elected.promise }, 14);
      elected.resolve();
      expect(await outcome).toBe('published');
    },
  );
});
