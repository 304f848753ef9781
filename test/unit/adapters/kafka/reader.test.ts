import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LeaderConnection } from '../../../../src/adapters/broker/kafka/leader-connection.ts';
import { KafkaReader } from '../../../../src/adapters/broker/kafka/reader.ts';
import type { ReadChunk } from '../../../../src/service-layer/broker.ts';
import { Edge } from '../../../support/fake-kafka/edge.ts';
import { ERRORS, type ErrorName } from '../../../support/fake-kafka/error-codes.ts';

let edge: Edge;

beforeEach(async () => {
  edge = await Edge.start();
  await edge.kafka.append('commands', 1, ['a', 'b', 'c']);
  await edge.kafka.append('commands', 1, ['d', 'e']);
});

afterEach(async () => {
  await edge[Symbol.asyncDispose]();
});

async function read(beginning: number, end: number) {
  const leaderOf = (partition: number) =>
    new LeaderConnection(edge.options, edge.view, 'commands', partition);
  const logId = () => edge.view.logId('commands');
  const reader = new KafkaReader('commands', logId, leaderOf, new AbortController().signal);
  const chunks: ReadChunk[] = [];
  for await (const chunk of reader.chunks([{ partition: 1, beginning, end }])) chunks.push(chunk);
  const values = chunks.flatMap(({ records }) =>
    records.map(({ offset, value }) => `${offset}:${value}`),
  );
  return { values, nextOffset: chunks.at(-1)?.nextOffset };
}

const ALL = ['0:a', '1:b', '2:c', '3:d', '4:e'];

describe('a range', () => {
  const ranges = [0, 1, 2, 3, 4, 5].flatMap((beginning) =>
    [1, 2, 3, 4, 5].flatMap((end) => (beginning < end ? [[beginning, end] as const] : [])),
  );

  it.each(ranges)('from %i up to %i has exactly its records', async (beginning, end) => {
    expect(await read(beginning, end)).toEqual({
      values: ALL.slice(beginning, end),
      nextOffset: end,
    });
  });

  it.each([0, 1, 2, 3, 4])(
    'has the rest if retention has deleted what lies below %i',
    async (kept) => {
      const log = edge.kafka.model.partition('commands', 1);
      if (log) log.beginning = kept;
      expect(await read(1, 5)).toEqual({ values: ALL.slice(Math.max(1, kept)), nextOffset: 5 });
    },
  );

  it('has an end if retention has deleted all of it', async () => {
    const log = edge.kafka.model.partition('commands', 1);
    if (log) log.beginning = 5;
    expect(await read(1, 5)).toEqual({ values: [], nextOffset: 5 });
  });
});

it('a damaged record batch is read once the leader sends it whole', async () => {
  const bytes = edge.kafka.model.partition('commands', 1)?.batches[1]?.bytes as Buffer;
  const last = bytes.at(-1) as number;
  bytes[bytes.length - 1] = last ^ 1;
  const reading = read(0, 5);
  await edge.kafka.seen('Fetch', 3);
  bytes[bytes.length - 1] = last;
  expect(await reading).toEqual({ values: ALL, nextOffset: 5 });
});

describe('an offset that is not there', () => {
  it('ends the reading at once if retention overtakes it', async () => {
    const listed = Promise.withResolvers<void>();
    edge.kafka.on('ListOffsets', { held: listed.promise });
    const reading = expect(read(1, 5)).rejects.toThrow(
      'Retention has deleted the offsets from 1 to 2 of commands/1',
    );
    await edge.kafka.seen('ListOffsets');
    const log = edge.kafka.model.partition('commands', 1);
    if (log) log.beginning = 3;
    listed.resolve();
    await reading;
    expect(edge.kafka.requests('Fetch')).toHaveLength(1);
  });

  it('ends the reading at once if it lies beyond the end', async () => {
    await expect(read(6, 9)).rejects.toThrow('commands/1 has no offset 6: it was truncated');
    expect(edge.kafka.requests('Fetch')).toHaveLength(1);
  });
});

describe('at an error', () => {
  const names: readonly ErrorName[] = [
    'UNKNOWN_SERVER_ERROR',
    'UNKNOWN_TOPIC_OR_PARTITION',
    'LEADER_NOT_AVAILABLE',
    'NOT_LEADER_OR_FOLLOWER',
    'REPLICA_NOT_AVAILABLE',
    'KAFKA_STORAGE_ERROR',
    'FENCED_LEADER_EPOCH',
    'UNKNOWN_LEADER_EPOCH',
    'OFFSET_NOT_AVAILABLE',
    'UNKNOWN_TOPIC_ID',
    'INCONSISTENT_TOPIC_ID',
  ];

  it.each(names)('%s to ListOffsets and Fetch, each record is read once', async (name) => {
    edge.kafka.on('ListOffsets', { error: ERRORS[name] });
    edge.kafka.on('Fetch', { error: ERRORS[name] });
    expect(await read(0, 5)).toEqual({ values: ALL, nextOffset: 5 });
  });

  it.each(['before', 'after'] as const)(
    'each record is read once if the connection breaks %s the answer',
    async (when) => {
      edge.kafka.on('ListOffsets', { broken: when });
      edge.kafka.on('Fetch', { broken: when });
      expect(await read(0, 5)).toEqual({ values: ALL, nextOffset: 5 });
    },
  );
});
