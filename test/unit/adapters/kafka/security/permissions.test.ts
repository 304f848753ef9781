import { describe, it } from 'vitest';
import { eventually } from '../../../../support/eventually.ts';
import type { ApiName } from '../../../../support/fake-kafka/apis.ts';
import {
  Edge,
  event,
  GROUP,
  position,
  TRANSACTIONAL_ID,
} from '../../../../support/fake-kafka/edge.ts';
import { ERRORS, type ErrorName } from '../../../../support/fake-kafka/error-codes.ts';
import { asAlice, captureLog } from '../../../../support/fake-kafka/secure-edge.ts';
import { WatchedConsumer } from '../../../../support/fake-kafka/watched-consumer.ts';

const TOPIC = 'TOPIC_AUTHORIZATION_FAILED';
const GROUPS = 'GROUP_AUTHORIZATION_FAILED';
const ID = 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED';

const ask = {
  offsets: ({ admin }: Edge) => admin.committedOffsets(GROUP, 'commands'),
  ranges: ({ admin }: Edge) => admin.offsetRanges('commands'),
  epoch: ({ admin }: Edge) => admin.endOfEpoch('commands', 0, 0),
  setting: ({ admin }: Edge) => admin.isCompacted('commands'),
  logId: ({ admin }: Edge) => admin.logId('commands'),
  creation: ({ topics }: Edge) =>
    topics.ensureTopics([{ name: 'new', partitions: 1, maxMessageBytes: 1_000_000 }], true),
  publisher: ({ publisher }: Edge) => publisher.publish('events', [event(0, 'a')]),
  opening: (edge: Edge) => edge.openProducer(),
  transaction: async (edge: Edge) => {
    const producer = await edge.openProducer();
    await producer.publish([event(0, 'a')], position(1));
  },
};

type Row = readonly [keyof typeof ask, ApiName, ErrorName, string, string];

/** Who asks, which request is refused how, and the permission that the error must name. */
const ROWS: readonly Row[] = [
  ['offsets', 'FindCoordinator', GROUPS, 'Describe', `--group ${GROUP}`],
  ['offsets', 'OffsetFetch', GROUPS, 'Describe', `--group ${GROUP}`],
  ['offsets', 'OffsetFetch', TOPIC, 'Describe', '--topic commands'],
  ['ranges', 'ListOffsets', TOPIC, 'Describe', '--topic commands'],
  ['epoch', 'OffsetForLeaderEpoch', TOPIC, 'Describe', '--topic commands'],
  ['setting', 'DescribeConfigs', TOPIC, 'DescribeConfigs', '--topic commands'],
  ['logId', 'Metadata', TOPIC, 'Describe', '--topic commands'],
  ['creation', 'Metadata', TOPIC, 'Describe', '--topic new'],
  ['creation', 'CreateTopics', TOPIC, 'Create', '--topic new'],
  ['creation', 'CreateTopics', 'CLUSTER_AUTHORIZATION_FAILED', 'Create', '--cluster'],
  ['publisher', 'InitProducerId', 'CLUSTER_AUTHORIZATION_FAILED', 'IdempotentWrite', '--cluster'],
  ['publisher', 'Produce', TOPIC, 'Write', '--topic events'],
  ['opening', 'FindCoordinator', ID, 'Describe', `--transactional-id ${TRANSACTIONAL_ID}`],
  ['opening', 'InitProducerId', ID, 'Write', `--transactional-id ${TRANSACTIONAL_ID}`],
  ['transaction', 'AddOffsetsToTxn', GROUPS, 'Read', `--group ${GROUP}`],
  ['transaction', 'AddPartitionsToTxn', TOPIC, 'Write', '--topic events'],
  ['transaction', 'AddPartitionsToTxn', 'OPERATION_NOT_ATTEMPTED', 'Write', '--topic events'],
  ['transaction', 'Produce', TOPIC, 'Write', '--topic events'],
  ['transaction', 'TxnOffsetCommit', TOPIC, 'Read', '--topic commands'],
  ['transaction', 'TxnOffsetCommit', GROUPS, 'Read', `--group ${GROUP}`],
  ['transaction', 'EndTxn', ID, 'Write', `--transactional-id ${TRANSACTIONAL_ID}`],
];

describe.concurrent('a missing permission', () => {
  it.for(ROWS)('is named with its command: %s, %s, %s', async (row, { expect }) => {
    const [asked, api, error, operation, resource] = row;
    await using edge = await Edge.start(asAlice('PLAIN'));
    // Kafka's list of all topics only leaves out what a client must not see.
    const at = asked === 'creation' && api === 'Metadata' ? { at: 'new' } : {};
    edge.kafka.on(api, { error: ERRORS[error], ...at }, { isLasting: true });
    const message = await ask[asked](edge).then(String, (failed: Error) => failed.message);
    const lacks = `User:alice lacks ${operation} on `;
    const command =
      `kafka-acls.sh --bootstrap-server ${edge.kafka.brokers.join(',')} ` +
      '--command-config admin.properties --add --allow-principal User:alice ' +
      `--operation ${operation} ${resource}`;
    expect(message).toContain(lacks);
    expect(message).toContain(`Grant it: ${command}`);
    expect(message).not.toContain('\n');
  });

  it('of an unknown client is one of User:ANONYMOUS', async ({ expect }) => {
    await using edge = await Edge.start();
    edge.kafka.on('ListOffsets', { error: ERRORS[TOPIC] }, { isLasting: true });
    await expect(ask.ranges(edge)).rejects.toThrow('User:ANONYMOUS lacks Describe on the topic');
  });
});

describe.concurrent('a consumer without a permission', () => {
  it('has a problem and one warning until it may read the topic', async ({ expect }) => {
    const output = captureLog();
    await using edge = await Edge.start({ ...asAlice('PLAIN'), log: output.log });
    const consuming = new WatchedConsumer(edge);
    try {
      await consuming.consumer.firstJoin;
      edge.kafka.on('Fetch', { error: ERRORS[TOPIC] }, { isLasting: true });
      const lacks = 'User:alice lacks Read on the topic commands. Grant it: kafka-acls.sh';
      await eventually(() => expect(consuming.consumer.problem()).toContain(lacks));
      await edge.kafka.seen('Fetch', edge.kafka.requests('Fetch').length + 20);
      const warnings = output
        .text()
        .split('\n')
        .filter((line) => line.includes('"level":40') && line.includes(lacks));
      expect(warnings).toHaveLength(consuming.partitions.length);
      edge.kafka.heal();
      await eventually(() => expect(consuming.consumer.problem()).toBeNull());
    } finally {
      await consuming.consumer.close();
    }
  });

  it.for(['JoinGroup', 'SyncGroup', 'Heartbeat'] as const)(
    'of its group says so in the log: %s',
    { timeout: 60_000 },
    async (api, { expect }) => {
      const output = captureLog();
      await using edge = await Edge.start({ ...asAlice('PLAIN'), log: output.log });
      edge.kafka.on(api, { error: ERRORS[GROUPS] }, { isLasting: true });
      const consuming = new WatchedConsumer(edge);
      try {
        await eventually(
          () =>
            expect(output.text()).toContain(
              `${api} is refused (${GROUPS}): User:alice lacks Read on the group ${GROUP}`,
            ),
          { withinMs: 30_000 },
        );
      } finally {
        await consuming.consumer.close();
      }
    },
  );
});
