import { afterEach, beforeEach, expect, it } from 'vitest';
import { IdempotentAppender } from '../../../../src/adapters/broker/kafka/producer/appender.ts';
import { DepartedNodes } from '../../../../src/adapters/broker/kafka/producer/departed-nodes.ts';
import { TroubleError } from '../../../../src/service-layer/errors.ts';
import { Edge, event } from '../../../support/fake-kafka/edge.ts';

let edge: Edge;
let departed: DepartedNodes;
let appender: IdempotentAppender;

beforeEach(async () => {
  edge = await Edge.start();
  departed = new DepartedNodes(edge.view);
  appender = new IdempotentAppender(edge.options, departed);
});

afterEach(async () => {
  await appender.close();
  departed.close();
  await edge[Symbol.asyncDispose]();
});

it('refuses to append once it is closed, and sends no request', async () => {
  const placed = await edge.layouts.place([event(0, 'a')]);
  await appender.append(placed);
  await appender.close();
  const before = edge.kafka.received.length;
  const appending = appender.append(placed);
  await expect(appending).rejects.toThrow(TroubleError);
  await expect(appending).rejects.toThrow('The producer is closed');
  expect(edge.kafka.received).toHaveLength(before);
});

it('sends no request for the next batch of a partition once it is closed', async () => {
  edge.kafka.model.topics.get('events')?.settings.set('max.message.bytes', '100');
  const placed = await edge.layouts.place([event(0, 'a'), event(0, 'b')]);
  const answer = Promise.withResolvers<void>();
  edge.kafka.on('Produce', { held: answer.promise });
  const refused = expect(appender.append(placed)).rejects.toThrow('The producer is closed');
  await edge.kafka.seen('Produce');
  const before = edge.kafka.received.length;
  const closing = appender.close();
  answer.resolve();
  await Promise.all([closing, refused]);
  expect(edge.kafka.received).toHaveLength(before);
});
