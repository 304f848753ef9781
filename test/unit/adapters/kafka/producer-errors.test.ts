import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FencedError, TroubleError } from '../../../../src/service-layer/errors.ts';
import { Edge, position, TRANSACTIONAL_ID } from '../../../support/fake-kafka/edge.ts';
import { ERRORS, type ErrorName } from '../../../support/fake-kafka/error-codes.ts';
import {
  COORDINATED_APIS,
  expectNothingCommitted,
  failure,
  LEADERS,
  RECORDS,
  successorPublishes,
  TRANSACTION_APIS,
  type TransactionApi,
  VALUES,
} from '../../../support/fake-kafka/transaction-run.ts';

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

const cells = (of: 'retried' | 'fenced' | 'trouble') =>
  TRANSACTION_APIS.flatMap((api) => (TABLE[api][of] ?? []).map((name) => [api, name] as const));

let edge: Edge;

beforeEach(async () => {
  edge = await Edge.start();
});

afterEach(async () => {
  await edge[Symbol.asyncDispose]();
});

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

  it.each(COORDINATED_APIS)('%s goes to the next coordinator of the transactions', async (api) => {
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
    expect(await failure(edge)).toBeInstanceOf(FencedError);
    if (api !== 'EndTxn') expectNothingCommitted(edge);
    await successorPublishes(edge);
  });

  it.each(cells('trouble'))('%s: %s ends in a TroubleError', async (api, name) => {
    edge.kafka.on(api, { error: ERRORS[name] });
    const error = await failure(edge);
    expect(error).toBeInstanceOf(TroubleError);
    expect(error.message).toContain('Publishing with allocation-commands-0');
    if (api !== 'EndTxn') expectNothingCommitted(edge);
    await successorPublishes(edge);
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
    expect(await failure(edge)).toBeInstanceOf(TroubleError);
    expectNothingCommitted(edge);
    await successorPublishes(edge);
  });
});
