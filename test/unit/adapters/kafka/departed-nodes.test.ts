import { expect, it } from 'vitest';
import { ClusterView } from '../../../../src/adapters/broker/kafka/cluster-view.ts';
import { DepartedNodes } from '../../../../src/adapters/broker/kafka/producer/departed-nodes.ts';
import { KafkaTransactionalProducer } from '../../../../src/adapters/broker/kafka/producer/transactional-producer.ts';
import { clusterHandlers } from '../../../support/fake-kafka/cluster-handlers.ts';
import {
  Edge,
  event,
  GROUP,
  position,
  TRANSACTIONAL_ID,
} from '../../../support/fake-kafka/edge.ts';

/** Takes node 3 out of the cluster. Node 1 then leads its partitions. */
function removeNode3({ kafka: { model } }: Edge): void {
  model.ports.delete(3);
  for (const topic of ['commands', 'events']) {
    const led = model.topics.get(topic)?.partitions.filter(({ leader }) => leader === 3) ?? [];
    for (const log of led) Object.assign(log, { leader: 1, leaderEpoch: log.leaderEpoch + 1 });
  }
}

it('keeps a slow connection whose configured name no node advertises', async () => {
  await using edge = await Edge.start();
  // The nodes advertise 127.0.0.1.
  const options = {
    ...edge.options,
    brokers: edge.kafka.brokers.map((broker) => broker.replace('127.0.0.1', 'localhost')),
  };
  const view = new ClusterView(options);
  const departed = new DepartedNodes(view);
  const slow = Promise.withResolvers<void>();
  edge.kafka.on('ApiVersions', { held: slow.promise });
  const opening = KafkaTransactionalProducer.open(
    options,
    TRANSACTIONAL_ID,
    edge.layouts,
    departed,
  );
  // Each check of a slow connection asks for the nodes.
  await edge.kafka.seen('Metadata', 2);
  slow.resolve();
  const producer = await opening;
  const connects = edge.kafka.requests('ApiVersions');
  await producer.close();
  departed.close();
  view.close();
  expect(connects).toHaveLength(1);
});

it('opens a producer at a live node even if a departed node is configured first', async () => {
  await using edge = await Edge.start();
  const { model } = edge.kafka;
  const former = clusterHandlers.Metadata(model, { topics: [] } as never, {
    node: 1,
    version: 10,
    refusal: () => 0,
  });
  edge.kafka.on('Metadata', { answer: former as never }, { node: 1, isLasting: true });
  model.ports.delete(1);
  for (const log of model.topics.get('commands')?.partitions ?? [])
    Object.assign(log, { leader: 2, leaderEpoch: log.leaderEpoch + 1 });
  await edge.view.leaderOf('commands', 0);
  const asked = edge.kafka.requests('Metadata', 1).length;
  await edge.openProducer();
  expect(edge.kafka.requests('Metadata', 1)).toHaveLength(asked);
});

it("ends requests at other nodes if a producer's coordinator has left the cluster", async () => {
  await using edge = await Edge.start();
  const producer = await edge.openProducer();
  // The group's coordinator asks the transaction's coordinator first, and gets no answer.
  edge.kafka.on('TxnOffsetCommit', { silence: 'before' });
  const outcome = producer.publish([event(0, 'a')], position(1)).catch((error: unknown) => error);
  await edge.kafka.seen('TxnOffsetCommit');
  removeNode3(edge);
  expect(await outcome).toMatchObject({ message: expect.stringContaining('has left the cluster') });
});

it.each([
  { kind: 'transaction', id: TRANSACTIONAL_ID, api: 'AddPartitionsToTxn' },
  { kind: 'group', id: GROUP, api: 'TxnOffsetCommit' },
] as const)(
  'goes on with the next coordinator of the $kind when an idle one has left',
  async ({ kind, id, api }) => {
    await using edge = await Edge.start();
    const { coordinators } = edge.kafka.model;
    for (const each of ['transaction', 'group'] as const)
      coordinators[each].set(each === 'group' ? GROUP : TRANSACTIONAL_ID, 2);
    coordinators[kind].set(id, 3);
    const producer = await edge.openProducer();
    await producer.publish([event(0, 'a')], position(1));
    removeNode3(edge);
    edge.kafka.on(api, { broken: 'before' }, { node: 3, isLasting: true });
    coordinators[kind].set(id, 1);
    await edge.view.refresh(0);
    await producer.publish([event(0, 'b')], position(2));
    expect(edge.committed('events')).toEqual(['a', 'b']);
    expect(edge.committedOffset).toBe(2);
  },
);

it('writes to the next leader when the former one has left without an answer', async () => {
  await using edge = await Edge.start();
  edge.kafka.on('Produce', { silence: 'before' }, { node: 3, isLasting: true });
  const { coordinators } = edge.kafka.model;
  coordinators.transaction.set(TRANSACTIONAL_ID, 2);
  coordinators.group.set(GROUP, 2);
  const producer = await edge.openProducer();
  const publishing = producer.publish([event(2, 'c')], position(1));
  await edge.kafka.seen('Produce');
  removeNode3(edge);
  await publishing;
  expect(edge.committed('events')).toEqual(['c']);
  expect(edge.committedOffset).toBe(1);
});
