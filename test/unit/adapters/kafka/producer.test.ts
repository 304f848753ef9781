import { afterEach, beforeEach, expect, it } from 'vitest';
import { TroubleError } from '../../../../src/service-layer/errors.ts';
import {
  Edge,
  event,
  GROUP,
  position,
  TRANSACTIONAL_ID,
} from '../../../support/fake-kafka/edge.ts';
import { readBatch } from '../../../support/fake-kafka/log.ts';

let edge: Edge;

beforeEach(async () => {
  edge = await Edge.start();
});

afterEach(async () => {
  await edge[Symbol.asyncDispose]();
});

/** Lists the first sequence and the record count of each batch for a partition of `events`. */
function sequencesOf(partition: number): readonly (readonly [number, number])[] {
  const requests = edge.kafka.requests('Produce').flatMap(({ topics }) => topics);
  const sent = requests.flatMap(({ name, partitions }) => (name === 'events' ? partitions : []));
  return sent.flatMap(({ index, records }) => {
    const { firstSequence, count } = readBatch(records);
    return index === partition ? [[firstSequence, count] as const] : [];
  });
}

it('sends each partition only to the node that leads it', async () => {
  const producer = await edge.openProducer();
  await producer.publish([event(0, 'a'), event(1, 'b'), event(2, 'c'), event(3, 'd')], null);
  const led = [[0, 3], [1], [2]];
  for (const [index, partitions] of led.entries()) {
    const sent = edge.kafka.requests('Produce', index + 1).flatMap(({ topics }) => topics);
    expect(sent.flatMap((each) => each.partitions.map((partition) => partition.index))).toEqual(
      partitions,
    );
  }
});

it('asks every leader to wait for all replicas', async () => {
  const producer = await edge.openProducer();
  await producer.publish([event(0, 'a'), event(1, 'b'), event(2, 'c')], null);
  expect(
    edge.kafka.requests('Produce').map(({ acks, transactionalId }) => [acks, transactionalId]),
  ).toEqual(Array.from({ length: 3 }, () => [-1, TRANSACTIONAL_ID]));
});

it('sends a record to the partition that Java would choose for its key', async () => {
  const producer = await edge.openProducer();
  await producer.publish([event(2, 'c'), event(0, 'a'), event(3, 'd'), event(1, 'b')], null);
  const partitions = edge.kafka.model.topics.get('events')?.partitions ?? [];
  expect(partitions.map((log) => log.visible().map(String))).toEqual([['a'], ['b'], ['c'], ['d']]);
});

it('chooses the partition of a key for each topic separately', async () => {
  const letters = edge.kafka.model.addTopic('letters', [2, 3]);
  const producer = await edge.openProducer();
  const both = (partition: number, value: string) => [
    event(partition, value),
    { ...event(partition, value), topic: 'letters' },
  ];
  await producer.publish([...both(3, 'd'), ...both(2, 'c').reverse()], null);
  expect(
    edge.kafka.model.topics.get('events')?.partitions.map((log) => log.visible().map(String)),
  ).toEqual([[], [], ['c'], ['d']]);
  expect(letters.partitions.map((log) => log.visible().map(String))).toEqual([['c'], ['d']]);
});

it('counts the sequences of each partition across batches and transactions', async () => {
  const producer = await edge.openProducer();
  const large = Array.from({ length: 5 }, () => event(0, 'x'.repeat(300_000)));
  await producer.publish([event(1, 'b'), ...large, event(1, 'b')], null);
  await producer.publish([event(0, 'a'), event(1, 'b'), event(2, 'c')], null);
  await producer.publish([event(1, 'b')], null);
  expect(sequencesOf(0)).toEqual([
    [0, 3],
    [3, 2],
    [5, 1],
  ]);
  expect(sequencesOf(1)).toEqual([
    [0, 2],
    [2, 1],
    [3, 1],
  ]);
  expect(sequencesOf(2)).toEqual([[0, 1]]);
});

it('restarts the sequences with the epoch of a new producer', async () => {
  await (await edge.openProducer()).publish([event(0, 'a'), event(0, 'b')], null);
  await (await edge.openProducer()).publish([event(0, 'c')], null);
  expect(sequencesOf(0)).toEqual([
    [0, 2],
    [0, 1],
  ]);
  expect(edge.committed('events')).toEqual(['a', 'b', 'c']);
});

it('names every partition and the group to its coordinator before it sends', async () => {
  const producer = await edge.openProducer();
  await producer.publish([event(2, 'c'), event(0, 'a'), event(0, 'b')], position(7));
  const [added, ...more] = edge.kafka.requests('AddPartitionsToTxn', 3);
  expect(more).toEqual([]);
  expect(added?.topics).toEqual([{ name: 'events', partitions: [2, 0] }]);
  expect(edge.kafka.requests('AddOffsetsToTxn', 3)).toMatchObject([
    { transactionalId: TRANSACTIONAL_ID, groupId: GROUP },
  ]);
  const order = edge.kafka.received.map(({ api }) => api);
  const joined = Math.max(order.indexOf('AddPartitionsToTxn'), order.indexOf('AddOffsetsToTxn'));
  expect(Math.min(order.indexOf('Produce'), order.indexOf('TxnOffsetCommit'))).toBeGreaterThan(
    joined,
  );
});

it('commits the position with the coordinator of the group, in the same transaction', async () => {
  const producer = await edge.openProducer();
  await producer.publish([event(0, 'a')], position(7));
  expect(edge.kafka.requests('TxnOffsetCommit', 2)).toMatchObject([
    {
      transactionalId: TRANSACTIONAL_ID,
      groupId: GROUP,
      topics: [{ name: 'commands', partitions: [{ index: 0, offset: 7 }] }],
    },
  ]);
  expect(edge.kafka.requests('EndTxn', 3)).toMatchObject([
    { transactionalId: TRANSACTIONAL_ID, isCommit: true },
  ]);
  expect(edge.committedOffset).toBe(7);
});

it('sends the commit only once every leader and the group have answered', async () => {
  const producer = await edge.openProducer();
  const held = [1, 2, 3].map(() => Promise.withResolvers<void>());
  for (const [index, { promise }] of held.entries())
    edge.kafka.on('Produce', { held: promise }, { node: index + 1 });
  const offsets = Promise.withResolvers<void>();
  edge.kafka.on('TxnOffsetCommit', { held: offsets.promise });
  const publishing = producer.publish([event(0, 'a'), event(1, 'b'), event(2, 'c')], position(7));
  await edge.kafka.seen('TxnOffsetCommit');
  for (const { resolve } of [offsets, ...held]) {
    await edge.settle();
    expect(edge.kafka.requests('EndTxn')).toEqual([]);
    resolve();
  }
  await publishing;
  expect(edge.kafka.requests('EndTxn')).toHaveLength(1);
});

it('resolves only once the commit is acknowledged', async () => {
  const producer = await edge.openProducer();
  const commit = Promise.withResolvers<void>();
  edge.kafka.on('EndTxn', { held: commit.promise });
  let isAnswered = false;
  const publishing = producer.publish([event(0, 'a')], position(7)).then(() => {
    isAnswered = true;
  });
  await edge.kafka.seen('EndTxn');
  await edge.settle();
  expect(isAnswered).toBe(false);
  commit.resolve();
  await publishing;
});

it('writes with the id and the epoch that the coordinator gave', async () => {
  const first = await edge.openProducer();
  const second = await edge.openProducer();
  await second.publish([event(0, 'a')], position(1));
  const { id, epoch } = edge.kafka.model.producers.get(TRANSACTIONAL_ID) ?? {};
  expect(epoch).toBe(1);
  const identity = { producerId: id, producerEpoch: 1 };
  for (const api of [
    'AddPartitionsToTxn',
    'AddOffsetsToTxn',
    'TxnOffsetCommit',
    'EndTxn',
  ] as const) {
    expect(edge.kafka.requests(api)).toMatchObject([identity]);
  }
  const [batch] = edge.kafka.model.partition('events', 0)?.batches ?? [];
  expect(batch).toMatchObject({ ...identity, isTransactional: true, isIntact: true });
  await first.close();
});

it('cuts batches to the limit of the topic', async () => {
  edge.kafka.model.topics.get('events')?.settings.set('max.message.bytes', '1000');
  const producer = await edge.openProducer();
  await producer.publish(
    Array.from({ length: 20 }, (_, index) => event(0, `${index}`.padEnd(200))),
    null,
  );
  expect(sequencesOf(0).length).toBeGreaterThan(4);
  expect(edge.committed('events')).toHaveLength(20);
});

it('refuses a record that is too large, with the shell command that makes room', async () => {
  edge.kafka.model.topics.get('events')?.settings.set('max.message.bytes', '1000');
  const producer = await edge.openProducer();
  const publishing = producer.publish(
    [event(0, 'small'), event(1, 'x'.repeat(1_000))],
    position(7),
  );
  await expect(publishing).rejects.toThrow(TroubleError);
  await expect(publishing).rejects.toThrow(
    /--entity-name events --add-config max\.message\.bytes=1\d\d\d$/,
  );
  expect(edge.kafka.requests('AddPartitionsToTxn')).toEqual([]);
  expect(edge.committedOffset).toBeNull();
});

it('reads the setting of the topic again after MESSAGE_TOO_LARGE', async () => {
  const records = Array.from({ length: 20 }, (_, index) => event(0, `${index}`.padEnd(200)));
  const producer = await edge.openProducer();
  await producer.publish([event(0, 'first')], null); // the setting is known from now on
  edge.kafka.model.topics.get('events')?.settings.set('max.message.bytes', '1000');
  await expect(producer.publish(records, position(7))).rejects.toThrow(TroubleError);
  await (await edge.openProducer()).publish(records, position(7));
  expect(edge.committed('events')).toHaveLength(21);
  expect(edge.committedOffset).toBe(7);
});

it('refuses to publish once it is closed', async () => {
  const producer = await edge.openProducer();
  await producer.close();
  await expect(producer.publish([event(0, 'a')], null)).rejects.toThrow(TroubleError);
  expect(edge.kafka.requests('Produce')).toEqual([]);
});
