import { describe, it } from 'vitest';
import { TroubleError } from '../../../../src/service-layer/errors.ts';
import type { ApiName } from '../../../support/fake-kafka/apis.ts';
import { Edge, GROUP } from '../../../support/fake-kafka/edge.ts';
import { ERRORS, type ErrorName } from '../../../support/fake-kafka/error-codes.ts';

/** The questions of the service, and the right answers. */
const QUESTIONS = {
  committedOffsets: {
    ask: ({ admin }: Edge) => admin.committedOffsets(GROUP, 'commands'),
    answer: [7, null, 9, null] as unknown,
  },
  offsetRanges: {
    ask: ({ admin }: Edge) => admin.offsetRanges('commands'),
    answer: [2, 0, 1, 0].map((end, partition) => ({ partition, beginning: 0, end })),
  },
  endOfEpoch: {
    ask: ({ admin }: Edge) => admin.endOfEpoch('commands', 2, 0),
    answer: { leaderEpoch: 0, offset: 1 },
  },
  maxMessageBytes: {
    ask: ({ admin }: Edge) => admin.maxMessageBytes('commands'),
    answer: 1_048_588,
  },
};

type Question = keyof typeof QUESTIONS;

const LEADERS: readonly ErrorName[] = [
  'UNKNOWN_SERVER_ERROR',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_OR_FOLLOWER',
  'REPLICA_NOT_AVAILABLE',
  'TOPIC_AUTHORIZATION_FAILED',
  'UNSUPPORTED_FOR_MESSAGE_FORMAT',
  'KAFKA_STORAGE_ERROR',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'OFFSET_NOT_AVAILABLE',
];
const COORDINATORS: readonly ErrorName[] = [
  'COORDINATOR_LOAD_IN_PROGRESS',
  'COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR',
  'GROUP_AUTHORIZATION_FAILED',
];
const SETTINGS: readonly ErrorName[] = [
  'UNKNOWN_SERVER_ERROR',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'TOPIC_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'INVALID_REQUEST',
];

const rows = (question: Question, api: ApiName, names: readonly ErrorName[], at?: string) =>
  names.map((name) => [question, api, name, at ?? 'everywhere'] as const);

const ROWS = [
  ...rows('committedOffsets', 'OffsetFetch', COORDINATORS, 'top'),
  ...rows(
    'committedOffsets',
    'OffsetFetch',
    ['UNKNOWN_TOPIC_OR_PARTITION', 'UNSTABLE_OFFSET_COMMIT'],
    'commands/0',
  ),
  ...rows(
    'committedOffsets',
    'OffsetFetch',
    ['TOPIC_AUTHORIZATION_FAILED', 'UNSTABLE_OFFSET_COMMIT'],
    'commands/3',
  ),
  ...rows('offsetRanges', 'ListOffsets', LEADERS, 'commands/1'),
  ...rows('endOfEpoch', 'OffsetForLeaderEpoch', LEADERS, 'commands/2'),
  ...rows('maxMessageBytes', 'DescribeConfigs', SETTINGS),
];

async function start(): Promise<Edge> {
  const edge = await Edge.start();
  await edge.kafka.append('commands', 0, ['a', 'b']);
  await edge.kafka.append('commands', 2, ['c']);
  edge.kafka.model.offsets.set(`${GROUP}/commands/0`, 7).set(`${GROUP}/commands/2`, 9);
  return edge;
}

const placed = (at: string) => (at === 'everywhere' ? {} : { at });

describe.concurrent('a question to the cluster', () => {
  it.for(Object.keys(QUESTIONS) as Question[])('%s is answered', async (question, { expect }) => {
    await using edge = await start();
    expect(await QUESTIONS[question].ask(edge)).toEqual(QUESTIONS[question].answer);
  });

  it.for(ROWS)('$0 asks again after $2 ($3)', async ([question, api, name, at], { expect }) => {
    await using edge = await start();
    await QUESTIONS[question].ask(edge);
    edge.kafka.on(api, { error: ERRORS[name], ...placed(at) });
    expect(await QUESTIONS[question].ask(edge)).toEqual(QUESTIONS[question].answer);
  });

  it.for(ROWS)('$0 fails while $2 lasts ($3)', async ([question, api, name, at], { expect }) => {
    await using edge = await start();
    edge.kafka.on(api, { error: ERRORS[name], ...placed(at) }, { isLasting: true });
    await expect(QUESTIONS[question].ask(edge)).rejects.toThrow(TroubleError);
  });

  it.for(['before', 'after'] as const)(
    'is asked again if the connection breaks %s the answer',
    async (when, { expect }) => {
      await using edge = await start();
      for (const [question, api] of [
        ['committedOffsets', 'OffsetFetch'],
        ['offsetRanges', 'ListOffsets'],
        ['maxMessageBytes', 'DescribeConfigs'],
      ] as const) {
        await QUESTIONS[question].ask(edge);
        edge.kafka.on(api, { broken: when });
        expect(await QUESTIONS[question].ask(edge)).toEqual(QUESTIONS[question].answer);
      }
    },
  );

  it('about committed offsets requires a stable one for the given partition', async ({
    expect,
  }) => {
    await using edge = await start();
    await edge.admin.committedOffsets(GROUP, 'commands', 2);
    expect(edge.kafka.requests('OffsetFetch', 2)).toMatchObject([
      {
        groupId: GROUP,
        requireStable: false,
        topics: [{ name: 'commands', partitions: [0, 1, 2, 3] }],
      },
      { groupId: GROUP, requireStable: true, topics: [{ name: 'commands', partitions: [2] }] },
    ]);
  });

  it('fails if the answer leaves a partition out', async ({ expect }) => {
    await using edge = await start();
    const found = { index: 0, offset: 7, leaderEpoch: -1, metadata: '', errorCode: 0 };
    const answer = {
      throttleMs: 0,
      errorCode: 0,
      topics: [{ name: 'commands', partitions: [found] }],
    };
    edge.kafka.on('OffsetFetch', { answer }, { isLasting: true });
    await expect(edge.admin.committedOffsets(GROUP, 'commands')).rejects.toThrow(
      'leaves out commands/1',
    );
  });

  it('fails if the answer has no max.message.bytes', async ({ expect }) => {
    await using edge = await start();
    edge.kafka.model.topics.get('commands')?.settings.clear();
    await expect(edge.admin.maxMessageBytes('commands')).rejects.toThrow(TroubleError);
  });

  it('about the log of a topic is answered with the ids of cluster and topic', async ({
    expect,
  }) => {
    await using edge = await start();
    expect(await edge.admin.logId('commands')).toBe(
      `fake/${edge.kafka.model.topics.get('commands')?.id}`,
    );
    await expect(edge.admin.logId('missing')).rejects.toThrow(TroubleError);
  });
});
