import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MessageTooLargeError, TroubleError } from '../../../../src/service-layer/errors.ts';
import type { LogRecord } from '../../../../src/service-layer/records.ts';
import { Edge, event } from '../../../support/fake-kafka/edge.ts';
import { ERRORS, type ErrorName } from '../../../support/fake-kafka/error-codes.ts';
import { readBatch } from '../../../support/fake-kafka/log.ts';

let edge: Edge;

beforeEach(async () => {
  edge = await Edge.start();
});

afterEach(async () => {
  await edge[Symbol.asyncDispose]();
});

/** One record for each partition. */
const RECORDS: readonly LogRecord[] = ['a', 'b', 'c', 'd'].map((value, partition) =>
  event(partition, value),
);
const PLACES = [0, 1, 2, 3].map((partition) => ({ partition, offset: 0 }));

const batches = () =>
  edge.kafka
    .requests('Produce')
    .flatMap(({ topics }) =>
      topics.flatMap(({ partitions }) => partitions.map(({ records }) => readBatch(records))),
    );

it('sends each partition to its leader, and asks it to wait for all replicas', async () => {
  expect(await edge.publisher.publish('commands', RECORDS)).toEqual(PLACES);
  for (const [index, partitions] of [[0, 3], [1], [2]].entries()) {
    const [request, ...more] = edge.kafka.requests('Produce', index + 1);
    expect(more).toEqual([]);
    expect(request).toMatchObject({ acks: -1, transactionalId: null });
    expect(request?.topics.flatMap((topic) => topic.partitions.map((each) => each.index))).toEqual(
      partitions,
    );
  }
});

it('gives the place of each record, in the order of the records', async () => {
  await edge.kafka.append('commands', 2, ['before', 'before']);
  const records = [event(2, 'a'), event(0, 'b'), event(2, 'c'), event(0, 'd')];
  expect(await edge.publisher.publish('commands', records)).toEqual([
    { partition: 2, offset: 2 },
    { partition: 0, offset: 0 },
    { partition: 2, offset: 3 },
    { partition: 0, offset: 1 },
  ]);
});

it('resolves only once every leader has answered', async () => {
  const held = [1, 2, 3].map(() => Promise.withResolvers<void>());
  for (const [index, { promise }] of held.entries())
    edge.kafka.on('Produce', { held: promise }, { node: index + 1 });
  let isAnswered = false;
  const publishing = edge.publisher.publish('commands', RECORDS).then(() => {
    isAnswered = true;
  });
  await edge.kafka.seen('Produce', 3);
  for (const { resolve } of held) {
    await edge.settle();
    expect(isAnswered).toBe(false);
    resolve();
  }
  await publishing;
});

it('counts the batches of a partition, and so is idempotent', async () => {
  for (let round = 0; round < 3; round += 1)
    await edge.publisher.publish('commands', [event(1, 'x'), event(1, 'y')]);
  expect(batches().map(({ firstSequence, count }) => [firstSequence, count])).toEqual([
    [0, 2],
    [2, 2],
    [4, 2],
  ]);
  expect(new Set(batches().map(({ producerId }) => producerId)).size).toBe(1);
  expect(batches()[0]?.producerId).toBeGreaterThanOrEqual(1_000);
});

/** Errors after which the publisher sends the batch again with the same sequence. */
const RETRIED: readonly ErrorName[] = [
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_OR_FOLLOWER',
  'REQUEST_TIMED_OUT',
  'NETWORK_EXCEPTION',
  'NOT_ENOUGH_REPLICAS',
  'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  'CORRUPT_MESSAGE',
  'KAFKA_STORAGE_ERROR',
];
const REFUSED: readonly ErrorName[] = [
  'UNKNOWN_SERVER_ERROR',
  'MESSAGE_TOO_LARGE',
  'INVALID_TOPIC_EXCEPTION',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_REQUIRED_ACKS',
  'TOPIC_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'INVALID_TIMESTAMP',
  'UNSUPPORTED_FOR_MESSAGE_FORMAT',
  'POLICY_VIOLATION',
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'DUPLICATE_SEQUENCE_NUMBER',
  'INVALID_PRODUCER_EPOCH',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_RECORD',
];

describe('at an error in the answer to Produce', () => {
  it.each(RETRIED)('%s is retried, and each record is appended once', async (name) => {
    edge.kafka.on('Produce', { error: ERRORS[name] }, { node: 2 });
    expect(await edge.publisher.publish('commands', RECORDS)).toEqual(PLACES);
    expect(edge.committed('commands')).toEqual(['a', 'b', 'c', 'd']);
  });

  it.each(REFUSED)('%s fails, and the next publish has a new producer', async (name) => {
    edge.kafka.on('Produce', { error: ERRORS[name], at: 'commands/1' });
    edge.kafka.on('Produce', { error: ERRORS[name] }, { node: 2 });
    await expect(edge.publisher.publish('commands', RECORDS)).rejects.toThrow(Error);
    expect(edge.kafka.model.partition('commands', 1)?.end).toBe(0);
    edge.kafka.heal();
    await edge.publisher.publish('commands', [event(1, 'later')]);
    const later = batches().at(-1);
    expect(edge.kafka.requests('InitProducerId')).toHaveLength(2);
    expect(later).toMatchObject({ firstSequence: 0, producerId: 1_001 });
  });
});

it.each([
  ['an error', { error: ERRORS.NOT_LEADER_OR_FOLLOWER }],
  ['a connection that broke', { broken: 'before' }],
  ['an answer that was lost', { broken: 'after' }],
] as const)('no record overtakes another one of its partition after %s', async (_, fault) => {
  // Each record fills a batch, and so needs a request of its own.
  const values = ['a', 'b', 'c'].map((value) => value.padEnd(700_000));
  edge.kafka.on('Produce', fault, { node: 2 });
  await edge.publisher.publish(
    'commands',
    values.map((value, index) => ({ ...event(index, value), partition: 1 })),
  );
  expect(edge.committed('commands').map((value) => value.trim())).toEqual(['a', 'b', 'c']);
});

describe('at a broken connection', () => {
  it.each(['before', 'after'] as const)(
    '%s the append, each record is appended once',
    async (when) => {
      edge.kafka.on('Produce', { broken: when }, { node: 2 });
      await edge.publisher.publish('commands', RECORDS);
      expect(edge.committed('commands')).toEqual(['a', 'b', 'c', 'd']);
    },
  );
});

describe('when a leader moves during a publish', () => {
  it.each([1, 3])('the partition goes to node %i, and each record is appended once', async (to) => {
    const log = edge.kafka.model.partition('commands', 1);
    if (!log) throw new Error('There is no commands/1');
    await edge.publisher.publish('commands', RECORDS);
    log.leader = to;
    expect(await edge.publisher.publish('commands', RECORDS)).toEqual(
      PLACES.map(({ partition }) => ({ partition, offset: 1 })),
    );
    expect(edge.committed('commands')).toEqual(['a', 'a', 'b', 'b', 'c', 'c', 'd', 'd']);
  });

  it('a partition that was appended already is not appended again', async () => {
    await edge.publisher.publish('commands', RECORDS);
    edge.kafka.on('Produce', { error: ERRORS.NOT_LEADER_OR_FOLLOWER }, { node: 2 });
    const taken = Promise.withResolvers<void>();
    edge.kafka.on('Produce', { held: taken.promise }, { node: 3 });
    const publishing = edge.publisher.publish('commands', RECORDS);
    await edge.kafka.seen('Produce', 6);
    const log = edge.kafka.model.partition('commands', 0);
    if (log) log.leader = 2;
    taken.resolve();
    await publishing;
    expect(edge.committed('commands')).toEqual(['a', 'a', 'b', 'b', 'c', 'c', 'd', 'd']);
  });
});

it('reads the setting of the topic again after MESSAGE_TOO_LARGE', async () => {
  const records = Array.from({ length: 20 }, (_, index) => event(0, `${index}`.padEnd(200)));
  await edge.publisher.publish('commands', [event(0, 'first')]); // the setting is known from now on
  edge.kafka.model.topics.get('commands')?.settings.set('max.message.bytes', '1000');
  await expect(edge.publisher.publish('commands', records)).rejects.toThrow(TroubleError);
  await edge.publisher.publish('commands', records);
  expect(edge.committed('commands')).toHaveLength(21);
});

it('a record that is too large for its topic is refused, and nothing is sent', async () => {
  edge.kafka.model.topics.get('commands')?.settings.set('max.message.bytes', '1000');
  const large = event(0, 'x'.repeat(1_000));
  await expect(edge.publisher.publish('commands', [large])).rejects.toThrow(MessageTooLargeError);
  expect(edge.kafka.requests('Produce')).toEqual([]);
});

it('refuses to publish once it is closed', async () => {
  await edge.publisher.close();
  await expect(edge.publisher.publish('commands', RECORDS)).rejects.toThrow(TroubleError);
});
