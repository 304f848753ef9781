import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StatusBoard } from '../../../src/status/status-board.ts';
import { eventually } from '../../support/eventually.ts';
import { Edge } from '../../support/fake-kafka/edge.ts';
import { WatchedConsumer } from '../../support/fake-kafka/watched-consumer.ts';

const withinMs = 20_000;

describe('The status of a service whose Kafka does not answer DescribeGroups', () => {
  let edge: Edge;
  let consuming: WatchedConsumer;
  let board: StatusBoard;
  /** How many questions for the members have ended. */
  let endedQuestions: number;

  beforeEach(async () => {
    endedQuestions = 0;
    edge = await Edge.start();
    edge.kafka.on('DescribeGroups', { silence: 'before' }, { isLasting: true });
    consuming = new WatchedConsumer(edge);
    await eventually(() => expect(consuming.partitions).toEqual([0, 1, 2, 3]), { withinMs });
    const topics = { commands: 'commands', events: 'events', deadLetters: 'dead-letters' };
    board = new StatusBoard({
      service: {
        version: '1.0.0',
        startedAt: new Date().toISOString(),
        broker: 'kafka',
        database: 'sqlite',
        topics,
      },
      self: { instance: 'host/1', host: 'host' },
      readiness: async () => [],
      lanes: () => [],
      ranges: () => [{ partition: 0, beginning: 0, end: 10 }],
      pauses: () => new Map(),
      members: () =>
        consuming.consumer.members().finally(() => {
          endedQuestions += 1;
        }),
      parked: async () => 0,
      deadLetters: () => null,
      recovery: () => ({ state: 'none', progress: null }),
    });
  });
  afterEach(async () => {
    await consuming.consumer.close();
    await edge[Symbol.asyncDispose]();
  });

  it('comes before the question ends, and says that it does not know the others', async () => {
    const status = await board.now();
    expect(endedQuestions).toBe(0);
    expect(status).toMatchObject({
      isReady: true,
      areMembersKnown: false,
      members: [{ instance: 'host/1', isThis: true }],
      lanes: [{ partition: 0, state: 'elsewhere', instance: null, endOffset: 10 }],
    });
  });

  it('ends its question by itself, and knows the members once Kafka answers', async () => {
    await board.now();
    await eventually(() => expect(endedQuestions).toBe(1), { withinMs });
    edge.kafka.heal();
    await eventually(
      async () => {
        const { areMembersKnown, members } = await board.now();
        expect(areMembersKnown).toBe(true);
        expect(members.find(({ isThis }) => isThis)?.partitions).toEqual([0, 1, 2, 3]);
      },
      { withinMs },
    );
  });
});
