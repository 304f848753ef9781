import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { TroubleError } from '../../../../src/service-layer/errors.ts';
import { Edge } from '../../../support/fake-kafka/edge.ts';
import { PartitionLog } from '../../../support/fake-kafka/log.ts';

const MAX_AGE_MS = 30_000;

let edge: Edge;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['Date', 'performance'] });
  edge = await Edge.start();
});

afterEach(async () => {
  vi.useRealTimers();
  await edge[Symbol.asyncDispose]();
});

async function eventsLayout() {
  const { partitions, maxMessageBytes } = await edge.layouts.of('events');
  return [partitions.length, maxMessageBytes];
}

function change(): void {
  const topic = edge.kafka.model.topics.get('events');
  if (!topic) throw new Error('There is no topic events');
  (topic.partitions as PartitionLog[]).push(new PartitionLog(2));
  topic.settings.set('max.message.bytes', '2000');
}

it('a topic that changes keeps its known layout for 30 s, then gets the new one', async () => {
  expect(await eventsLayout()).toEqual([4, 1_048_588]);
  change();
  vi.advanceTimersByTime(MAX_AGE_MS - 1);
  expect(await eventsLayout()).toEqual([4, 1_048_588]);
  vi.advanceTimersByTime(1);
  expect(await eventsLayout()).toEqual([5, 2_000]);
});

it('a topic that changes gets its new layout once the layouts are forgotten', async () => {
  await eventsLayout();
  change();
  vi.advanceTimersByTime(1_000);
  edge.layouts.forget();
  expect(await eventsLayout()).toEqual([5, 2_000]);
});

it('a topic that could not be read is read again', async () => {
  await expect(edge.layouts.of('new')).rejects.toThrow(TroubleError);
  edge.kafka.model.addTopic('new', [1, 2]);
  vi.advanceTimersByTime(1_000);
  expect((await edge.layouts.of('new')).partitions).toHaveLength(2);
});
