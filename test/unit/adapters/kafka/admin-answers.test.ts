import { describe, it } from 'vitest';
import { TroubleError } from '../../../../src/service-layer/errors.ts';
import type { ApiName } from '../../../support/fake-kafka/apis.ts';
import { Edge, event, GROUP } from '../../../support/fake-kafka/edge.ts';
import { ERRORS, type ErrorName } from '../../../support/fake-kafka/error-codes.ts';

/** Questions about partition 2 of `commands`, led by node 3. Each sends one request at a time. */
const QUESTIONS = {
  OffsetFetch: {
    ask: async ({ admin }: Edge) => (await admin.committedOffsets(GROUP, 'commands'))[2],
    answer: 9 as unknown,
  },
  ListOffsets: {
    ask: async ({ admin }: Edge) => (await admin.offsetRanges('commands', [2]))[0],
    answer: { partition: 2, beginning: 0, end: 1 },
  },
  OffsetForLeaderEpoch: {
    ask: ({ admin }: Edge) => admin.endOfEpoch('commands', 2, 0),
    answer: { leaderEpoch: 0, offset: 1 },
  },
  DescribeConfigs: { ask: ({ admin }: Edge) => admin.isCompacted('commands'), answer: true },
};

type Question = keyof typeof QUESTIONS;

const LEADER_MOVES: readonly ErrorName[] = [
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_OR_FOLLOWER',
  'REQUEST_TIMED_OUT',
  'REPLICA_NOT_AVAILABLE',
  'KAFKA_STORAGE_ERROR',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'OFFSET_NOT_AVAILABLE',
];
const COORDINATOR_MOVES: readonly ErrorName[] = [
  'COORDINATOR_LOAD_IN_PROGRESS',
  'COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR',
];

const PASSING: readonly (readonly [Question, ErrorName])[] = [
  ...[...COORDINATOR_MOVES, 'UNSTABLE_OFFSET_COMMIT' as const].map(
    (name) => ['OffsetFetch', name] as const,
  ),
  ...LEADER_MOVES.map((name) => ['ListOffsets', name] as const),
  ...LEADER_MOVES.map((name) => ['OffsetForLeaderEpoch', name] as const),
  ['DescribeConfigs', 'UNKNOWN_TOPIC_OR_PARTITION'],
];
const FINAL: readonly (readonly [Question, ErrorName])[] = [
  ['OffsetFetch', 'GROUP_AUTHORIZATION_FAILED'],
  ['OffsetFetch', 'UNKNOWN_SERVER_ERROR'],
  ['ListOffsets', 'TOPIC_AUTHORIZATION_FAILED'],
  ['ListOffsets', 'UNSUPPORTED_FOR_MESSAGE_FORMAT'],
  ['OffsetForLeaderEpoch', 'TOPIC_AUTHORIZATION_FAILED'],
  ['DescribeConfigs', 'CLUSTER_AUTHORIZATION_FAILED'],
];

async function start(): Promise<Edge> {
  const edge = await Edge.start();
  await edge.kafka.append('commands', 2, ['c']);
  edge.kafka.model.offsets.set(`${GROUP}/commands/2`, 9);
  edge.kafka.model.topics.get('commands')?.settings.set('cleanup.policy', 'compact,delete');
  return edge;
}

/** Answers the next `times` requests with the error. */
function failNext(edge: Edge, api: ApiName, name: ErrorName, times: number): void {
  for (let nth = 1; nth <= times; nth += 1) edge.kafka.on(api, { error: ERRORS[name] }, { nth });
}

describe.concurrent('an error that passes', () => {
  it.for(PASSING)('%s succeeds after %s three times', async ([api, name], { expect }) => {
    await using edge = await start();
    failNext(edge, api, name, 3);
    expect(await QUESTIONS[api].ask(edge)).toEqual(QUESTIONS[api].answer);
    expect(edge.kafka.isScriptDone).toBe(true);
  });
});

describe.concurrent('an error that stays', () => {
  it.for(FINAL)('%s fails at the second %s', async ([api, name], { expect }) => {
    await using edge = await start();
    failNext(edge, api, name, 2);
    await expect(QUESTIONS[api].ask(edge)).rejects.toThrow(TroubleError);
    expect(edge.kafka.requests(api)).toHaveLength(2);
  });
});

describe.concurrent('the committed offset that must be stable', () => {
  const ask = async ({ admin }: Edge) => (await admin.committedOffsets(GROUP, 'commands', 2))[2];
  /** The first request is about all partitions, the second about the stable one. */
  const errors = (['top', 'commands/2'] as const).flatMap((at) =>
    (['UNSTABLE_OFFSET_COMMIT', 'NOT_COORDINATOR', 'UNKNOWN_SERVER_ERROR'] as const).flatMap(
      (name) => [1, 2].map((nth) => [nth, name, at] as const),
    ),
  );

  it.for(errors)(
    'is asked for again if request %i is answered %s (%s)',
    async ([nth, name, at], { expect }) => {
      await using edge = await start();
      edge.kafka.on('OffsetFetch', { error: ERRORS[name], at }, { nth });
      expect(await ask(edge)).toBe(9);
      expect(edge.kafka.requests('OffsetFetch')).toHaveLength(4);
    },
  );

  it('fails while only the request for it fails', async ({ expect }) => {
    await using edge = await start();
    for (const nth of [2, 4])
      edge.kafka.on(
        'OffsetFetch',
        { error: ERRORS.UNKNOWN_SERVER_ERROR, at: 'commands/2' },
        { nth },
      );
    await expect(ask(edge)).rejects.toThrow(TroubleError);
  });

  it('replaces the one that may lag', async ({ expect }) => {
    await using edge = await start();
    const partitions = [0, 1, 2, 3].map((index) => ({
      index,
      offset: 5,
      leaderEpoch: -1,
      metadata: '',
      errorCode: 0,
    }));
    edge.kafka.on('OffsetFetch', {
      answer: { throttleMs: 0, errorCode: 0, topics: [{ name: 'commands', partitions }] },
    });
    expect(await edge.admin.committedOffsets(GROUP, 'commands', 2)).toEqual([5, 5, 9, 5]);
  });
});

describe.concurrent('a number at its boundary', () => {
  it.for([
    [-1, null],
    [0, 0],
    [1, 1],
  ] as const)('committed offset %i is read as %o', async ([offset, expected], { expect }) => {
    await using edge = await start();
    edge.kafka.model.offsets.set(`${GROUP}/commands/0`, offset);
    expect((await edge.admin.committedOffsets(GROUP, 'commands'))[0]).toBe(expected);
  });

  it.for([
    [-1, null],
    [0, 0],
    [1, 1],
  ] as const)(
    'an epoch that ends at %i is read as %o',
    async ([endOffset, expected], { expect }) => {
      await using edge = await start();
      const partitions = [{ index: 2, errorCode: 0, leaderEpoch: 0, endOffset }];
      edge.kafka.on('OffsetForLeaderEpoch', {
        answer: { throttleMs: 0, topics: [{ name: 'commands', partitions }] },
      });
      expect((await edge.admin.endOfEpoch('commands', 2, 0))?.offset ?? null).toBe(expected);
    },
  );
});

describe.concurrent('the range of a partition', () => {
  it('ends behind an open transaction', async ({ expect }) => {
    await using edge = await start();
    const producer = await edge.openProducer();
    edge.kafka.on('EndTxn', { error: ERRORS.INVALID_TXN_STATE });
    await producer.publish([{ ...event(2, 'open'), topic: 'commands' }], null).catch(() => {});
    expect(await edge.admin.offsetRanges('commands', [2])).toEqual([
      { partition: 2, beginning: 0, end: 2 },
    ]);
  });

  it('never begins beyond its end, even if retention deletes between the requests', async ({
    expect,
  }) => {
    await using edge = await start();
    const first = Promise.withResolvers<void>();
    edge.kafka.on('ListOffsets', { held: first.promise });
    const asking = edge.admin.offsetRanges('commands', [2]);
    await edge.kafka.seen('ListOffsets');
    for (const value of ['d', 'e', 'f']) await edge.kafka.append('commands', 2, [value]);
    const log = edge.kafka.model.partition('commands', 2);
    if (log) log.beginning = 3;
    first.resolve();
    const [range] = await asking;
    expect(range?.beginning).toBeLessThanOrEqual(range?.end ?? -1);
  });
});
