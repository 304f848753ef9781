import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FencedError, TroubleError } from '../../../../src/service-layer/errors.ts';
import type { ApiName } from '../../../support/fake-kafka/apis.ts';
import { Edge, event, position, TRANSACTIONAL_ID } from '../../../support/fake-kafka/edge.ts';
import { ERRORS, type ErrorName } from '../../../support/fake-kafka/error-codes.ts';
import type { Fate } from '../../../support/fake-kafka/script.ts';

type TransactionApi =
  | 'AddPartitionsToTxn'
  | 'AddOffsetsToTxn'
  | 'Produce'
  | 'TxnOffsetCommit'
  | 'EndTxn';

/** What the producer does after each error: it repeats the request, or ends with an error. */
interface Row {
  readonly retried?: readonly ErrorName[];
  readonly fenced: readonly ErrorName[];
  readonly trouble: readonly ErrorName[];
}

const FENCED: readonly ErrorName[] = ['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED'];
const COORDINATOR: readonly ErrorName[] = [
  'COORDINATOR_LOAD_IN_PROGRESS',
  'COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR',
];
const TRANSACTION: readonly ErrorName[] = [
  'UNKNOWN_SERVER_ERROR',
  'INVALID_REQUEST',
  'INVALID_PRODUCER_ID_MAPPING',
  'INVALID_TXN_STATE',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
];

const TABLE: { readonly [api in TransactionApi]: Row } = {
  AddPartitionsToTxn: {
    retried: [...COORDINATOR, 'CONCURRENT_TRANSACTIONS'],
    fenced: FENCED,
    trouble: [
      ...TRANSACTION,
      'UNKNOWN_TOPIC_OR_PARTITION',
      'TOPIC_AUTHORIZATION_FAILED',
      'OPERATION_NOT_ATTEMPTED',
    ],
  },
  AddOffsetsToTxn: {
    retried: [...COORDINATOR, 'CONCURRENT_TRANSACTIONS'],
    fenced: FENCED,
    trouble: [...TRANSACTION, 'INVALID_GROUP_ID', 'GROUP_AUTHORIZATION_FAILED'],
  },
  Produce: {
    retried: [
      'CORRUPT_MESSAGE',
      'UNKNOWN_TOPIC_OR_PARTITION',
      'LEADER_NOT_AVAILABLE',
      'NOT_LEADER_OR_FOLLOWER',
      'REQUEST_TIMED_OUT',
      'REPLICA_NOT_AVAILABLE',
      'NETWORK_EXCEPTION',
      'NOT_ENOUGH_REPLICAS',
      'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
      'KAFKA_STORAGE_ERROR',
    ],
    fenced: FENCED,
    trouble: [
      ...TRANSACTION,
      'INVALID_TOPIC_EXCEPTION',
      'INVALID_REQUIRED_ACKS',
      'TOPIC_AUTHORIZATION_FAILED',
      'CLUSTER_AUTHORIZATION_FAILED',
      'INVALID_TIMESTAMP',
      'UNSUPPORTED_FOR_MESSAGE_FORMAT',
      'OUT_OF_ORDER_SEQUENCE_NUMBER',
      'DUPLICATE_SEQUENCE_NUMBER',
      'UNKNOWN_PRODUCER_ID',
      'INVALID_RECORD',
    ],
  },
  TxnOffsetCommit: {
    retried: [...COORDINATOR, 'CONCURRENT_TRANSACTIONS'],
    fenced: FENCED,
    trouble: [
      ...TRANSACTION,
      'UNKNOWN_TOPIC_OR_PARTITION',
      'OFFSET_METADATA_TOO_LARGE',
      'INVALID_GROUP_ID',
      'INVALID_COMMIT_OFFSET_SIZE',
      'TOPIC_AUTHORIZATION_FAILED',
      'GROUP_AUTHORIZATION_FAILED',
    ],
  },
  EndTxn: {
    retried: [...COORDINATOR, 'CONCURRENT_TRANSACTIONS'],
    fenced: FENCED,
    trouble: TRANSACTION,
  },
};

const APIS = Object.keys(TABLE) as TransactionApi[];
/** The requests to the coordinator of transactions. */
const COORDINATED = ['AddPartitionsToTxn', 'AddOffsetsToTxn', 'EndTxn'] as const;
const cells = (of: 'retried' | 'fenced' | 'trouble') =>
  APIS.flatMap((api) => (TABLE[api][of] ?? []).map((name) => [api, name] as const));

let edge: Edge;

beforeEach(async () => {
  edge = await Edge.start();
});

afterEach(async () => {
  vi.useRealTimers();
  await edge[Symbol.asyncDispose]();
});

const RECORDS = [event(0, 'a'), event(1, 'b'), event(2, 'c'), event(3, 'd')];
const VALUES = ['a', 'b', 'c', 'd'];

/** How many nodes lead the partitions of `RECORDS`. */
const LEADERS = 3;

/** Publishes into the planned fault. The producer must end. @returns the error */
async function failure(): Promise<Error> {
  const producer = await edge.openProducer();
  const error = await producer.publish(RECORDS, position(7)).then(
    () => new Error('It was published'),
    (reason: Error) => reason,
  );
  expect(edge.kafka.isScriptDone).toBe(true);
  await expectEnd(producer);
  return error;
}

async function expectEnd(producer: Awaited<ReturnType<Edge['openProducer']>>): Promise<void> {
  const before = edge.kafka.received.length;
  await expect(producer.publish(RECORDS, position(8))).rejects.toThrow(TroubleError);
  await edge.settle();
  const since = edge.kafka.received.slice(before).map(({ api }) => api);
  expect(since.filter((api) => (APIS as readonly ApiName[]).includes(api))).toEqual([]);
}

/** Opens the next producer, which must settle what is left and publish everything once. */
async function successorPublishes(): Promise<void> {
  edge.kafka.heal();
  const successor = await edge.openProducer();
  await successor.publish(RECORDS, position(7));
  expect(edge.committed('events')).toEqual(VALUES);
  expect(edge.committedOffset).toBe(7);
}

function expectNothingCommitted(): void {
  expect(edge.kafka.requests('EndTxn')).toEqual([]);
  expect(edge.committed('events')).toEqual([]);
  expect(edge.committedOffset).toBeNull();
}

describe('at an error in the answer', () => {
  it.each(cells('retried'))('%s is sent again in place after %s', async (api, name) => {
    const producer = await edge.openProducer();
    for (const nth of [1, 2, 3]) edge.kafka.on(api, { error: ERRORS[name] }, { nth });
    await producer.publish(RECORDS, position(7));
    const neededRequests = api === 'Produce' ? LEADERS : 1;
    expect(edge.kafka.requests(api)).toHaveLength(3 + neededRequests);
    expect(edge.committed('events')).toEqual(VALUES);
    expect(edge.committedOffset).toBe(7);
  });

  it.each(COORDINATED)('%s goes to the next coordinator of the transactions', async (api) => {
    const producer = await edge.openProducer();
    const error = { error: ERRORS.NOT_COORDINATOR };
    edge.kafka.on(api, error, { node: 3, isLasting: true });
    const outcome = producer.publish(RECORDS, position(7));
    await edge.kafka.seen(api);
    edge.kafka.model.coordinators.transaction.set(TRANSACTIONAL_ID, 1);
    await outcome;
    expect(edge.kafka.requests(api, 1)).toHaveLength(1);
    expect(edge.committed('events')).toEqual(VALUES);
    expect(edge.committedOffset).toBe(7);
  });

  it.each([1, 3])('Produce follows a partition to its next leader, node %i', async (to) => {
    const producer = await edge.openProducer();
    await producer.publish(RECORDS, position(6));
    const log = edge.kafka.model.partition('events', 1);
    if (log) log.leader = to;
    const before = edge.kafka.requests('Produce', 2).length;
    await producer.publish(RECORDS, position(7));
    expect(edge.kafka.requests('Produce', 2)).toHaveLength(before + 1);
    expect(edge.committed('events')).toEqual(VALUES.flatMap((value) => [value, value]));
    expect(edge.kafka.requests('InitProducerId')).toHaveLength(1);
  });

  it('Produce is sent again to one leader while another takes its time', async () => {
    const producer = await edge.openProducer();
    const taken = Promise.withResolvers<void>();
    edge.kafka.on('Produce', { held: taken.promise }, { node: 3 });
    edge.kafka.on('Produce', { error: ERRORS.NOT_LEADER_OR_FOLLOWER }, { node: 2 });
    const outcome = producer.publish(RECORDS, position(7));
    await edge.kafka.seen('Produce', LEADERS + 1);
    taken.resolve();
    await outcome;
    expect(edge.committed('events')).toEqual(VALUES);
  });

  it('Produce is not sent again once the producer is closed', async () => {
    const producer = await edge.openProducer();
    edge.kafka.on('Produce', { error: ERRORS.NOT_LEADER_OR_FOLLOWER }, { isLasting: true });
    const refused = expect(producer.publish(RECORDS, position(7))).rejects.toThrow(TroubleError);
    await edge.kafka.seen('Produce', LEADERS);
    await producer.close();
    await refused;
    expect(edge.kafka.requests('Produce')).toHaveLength(LEADERS);
    expectNothingCommitted();
  });

  it('EndTxn is sent again even if the refused one was carried out', async () => {
    const producer = await edge.openProducer();
    const answer = { throttleMs: 0, errorCode: ERRORS.NOT_COORDINATOR };
    edge.kafka.on('EndTxn', { answer, isCarriedOut: true });
    await producer.publish(RECORDS, position(7));
    expect(edge.kafka.requests('EndTxn')).toHaveLength(2);
    expect(edge.committed('events')).toEqual(VALUES);
    expect(edge.committedOffset).toBe(7);
  });

  it.each(cells('fenced'))('%s: %s ends in a FencedError', async (api, name) => {
    edge.kafka.on(api, { error: ERRORS[name] });
    expect(await failure()).toBeInstanceOf(FencedError);
    if (api !== 'EndTxn') expectNothingCommitted();
    await successorPublishes();
  });

  it.each(cells('trouble'))('%s: %s ends in a TroubleError', async (api, name) => {
    edge.kafka.on(api, { error: ERRORS[name] });
    const error = await failure();
    expect(error).toBeInstanceOf(TroubleError);
    expect(error.message).toContain('Publishing with allocation-commands-0');
    if (api !== 'EndTxn') expectNothingCommitted();
    await successorPublishes();
  });
});

describe('at an error about one partition alone', () => {
  const PARTITIONS = [0, 1, 2, 3];
  const cases = PARTITIONS.flatMap((partition) =>
    (['AddPartitionsToTxn', 'Produce'] as const).map(
      (api) => [api, `events/${partition}`] as const,
    ),
  );

  it.each(PARTITIONS)('only events/%i is written again', async (partition) => {
    const producer = await edge.openProducer();
    const node = edge.kafka.model.partition('events', partition)?.leader as number;
    const error = { error: ERRORS.NOT_LEADER_OR_FOLLOWER, at: `events/${partition}` };
    edge.kafka.on('Produce', error, { node });
    await producer.publish(RECORDS, position(7));
    const requests = edge.kafka.requests('Produce');
    expect(requests).toHaveLength(LEADERS + 1);
    expect(requests.at(-1)?.topics).toMatchObject([{ partitions: [{ index: partition }] }]);
    expect(edge.committed('events')).toEqual(VALUES);
  });

  it.each(cases)('%s of %s ends the producer, and nothing is committed', async (api, at) => {
    edge.kafka.on(api, { error: ERRORS.UNKNOWN_SERVER_ERROR, at }, { isLasting: true });
    expect(await failure()).toBeInstanceOf(TroubleError);
    expectNothingCommitted();
    await successorPublishes();
  });
});

describe('at a broken connection', () => {
  const WHEN = ['before', 'after'] as const;
  const cases = APIS.filter((api) => api !== 'Produce').flatMap((api) =>
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
    expect(await failure()).toBeInstanceOf(TroubleError);
    const isOut = api === 'EndTxn' && when === 'after';
    expect(edge.committed('events')).toEqual(isOut ? VALUES : []);
    expect(edge.committedOffset).toBe(isOut ? 7 : null);
    if (!isOut) await successorPublishes();
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

  it.each(APIS)('%s ends the producer within 21 seconds', async (api) => {
    const { producer, outcome } = await publishWith(api, { silence: 'before' }, 21);
    expect(await outcome).toBeInstanceOf(TroubleError);
    // A closing producer waits a moment for the answer.
    await vi.advanceTimersByTimeAsync(CLOSING_MS);
    vi.useRealTimers();
    await expectEnd(producer);
    await successorPublishes();
  });

  it.each(COORDINATED)('%s ends the producer within 11 seconds before Kafka 3.8', async (api) => {
    edge.kafka.model.newestProduce = 10;
    const { producer, outcome } = await publishWith(api, { silence: 'before' }, 11);
    expect(await outcome).toBeInstanceOf(TroubleError);
    await vi.advanceTimersByTimeAsync(CLOSING_MS);
    vi.useRealTimers();
    await expectEnd(producer);
  });

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
    await successorPublishes();
  });

  it('Produce ends the producer after 21 seconds without enough replicas', async () => {
    const fate = { error: ERRORS.NOT_ENOUGH_REPLICAS };
    edge.kafka.on('Produce', fate, { isLasting: true });
    const { outcome } = await publishWith('Produce', fate, 21);
    const error = await outcome;
    expect(error).toBeInstanceOf(TroubleError);
    expect((error as Error).message).toContain('fewer in-sync replicas than required');
    vi.useRealTimers();
    await successorPublishes();
  });

  it.each(APIS)('%s may take 14 seconds, as long as an election of leaders', async (api) => {
    const elected = Promise.withResolvers<void>();
    const { outcome } = await publishWith(api, { held: elected.promise }, 14);
    elected.resolve();
    expect(await outcome).toBe('published');
  });
});
