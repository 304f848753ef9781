import { expect, it } from 'vitest';
import { ClusterView } from '../../../../src/adapters/broker/kafka/cluster-view.ts';
import { DepartedNodes } from '../../../../src/adapters/broker/kafka/departed-nodes.ts';
import { KafkaTransactionalProducer } from '../../../../src/adapters/broker/kafka/producer.ts';
import { Edge, TRANSACTIONAL_ID } from '../../../support/fake-kafka/edge.ts';

it('leaves a slow connection alone whose configured name no node advertises', async () => {
  await using edge = await Edge.start();
  // The nodes advertise 127.0.0.1.
  const options = { ...edge.options, brokers: edge.kafka.brokers.map((broker) => broker.replace('127.0.0.1', 'localhost')) };
  const view = new ClusterView(options);
  const departed = new DepartedNodes(view);
  const slow = Promise.withResolvers<void>();
  edge.kafka.on('ApiVersions', { held: slow.promise });
  const opening = KafkaTransactionalProducer.open(options, TRANSACTIONAL_ID, edge.layouts, departed);
  // Each look at what hangs asks for the nodes.
  await edge.kafka.seen('Metadata', 2);
  slow.resolve();
  const producer = await opening;
  const connects = edge.kafka.requests('ApiVersions');
  await producer.close();
  departed.close();
  view.close();
  expect(connects).toHaveLength(1);
});
