import { channel } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { pino } from 'pino';
import { describe, it } from 'vitest';
import { ClusterView } from '../../../../src/adapters/broker/kafka/cluster-view.ts';
import { TopicCreator } from '../../../../src/adapters/broker/kafka/topic-creator.ts';
import { TroubleError } from '../../../../src/service-layer/errors.ts';
import { eventually } from '../../../support/eventually.ts';
import { Edge } from '../../../support/fake-kafka/edge.ts';
import { ERRORS, type ErrorName } from '../../../support/fake-kafka/error-codes.ts';
import { SilentServer } from '../../../support/silent-server.ts';

describe.concurrent('creating topics', () => {
  const topic = { name: 'new', partitions: 6, maxMessageBytes: 2_000_000 };

  it('asks the controller for the missing topics with their settings', async ({ expect }) => {
    await using edge = await Edge.start();
    await edge.topics.ensureTopics([topic, { ...topic, name: 'commands' }], true);
    expect(edge.kafka.requests('CreateTopics', 1)).toMatchObject([
      {
        topics: [
          {
            name: 'new',
            partitions: 6,
            configs: [{ name: 'max.message.bytes', value: '2000000' }],
          },
        ],
      },
    ]);
    expect(edge.kafka.model.topics.get('new')?.partitions).toHaveLength(6);
  });

  it('lets a topic keep its records for ever, and says so in the command', async ({ expect }) => {
    await using edge = await Edge.start();
    const kept = { ...topic, keepsAll: true };
    await expect(edge.topics.ensureTopics([kept], false)).rejects.toThrow(
      '--partitions 6 --config max.message.bytes=2000000 --config retention.ms=-1 ' +
        '--config retention.bytes=-1',
    );
    await edge.topics.ensureTopics([kept], true);
    expect(edge.kafka.requests('CreateTopics', 1)[0]?.topics[0]?.configs).toEqual([
      { name: 'max.message.bytes', value: '2000000' },
      { name: 'retention.ms', value: '-1' },
      { name: 'retention.bytes', value: '-1' },
    ]);
  });

  it('waits until a node knows the new topic, and all its partitions have a leader', async ({
    expect,
  }) => {
    await using edge = await Edge.start();
    const created = Promise.withResolvers<void>();
    edge.kafka.on('CreateTopics', { held: created.promise });
    const creating = edge.topics.ensureTopics([topic], true);
    await edge.kafka.seen('CreateTopics');
    const errors = ['UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE'] as const;
    for (const [index, name] of errors.entries())
      edge.kafka.on('Metadata', { error: ERRORS[name], at: 'new' }, { nth: index + 1 });
    created.resolve();
    await expect(creating).resolves.toBeUndefined();
    expect(edge.kafka.isScriptDone).toBe(true);
  });

  it('waits for a partition without a leader', async ({ expect }) => {
    await using edge = await Edge.start();
    edge.kafka.on('CreateTopics', { error: ERRORS.TOPIC_ALREADY_EXISTS });
    let isCreated = false;
    const creating = edge.topics.ensureTopics([topic], true).then(() => {
      isCreated = true;
    });
    await edge.kafka.seen('CreateTopics');
    const log = edge.kafka.model.addTopic('new', [1, -1]).partitions[1];
    const before = edge.kafka.requests('Metadata').length;
    await edge.kafka.seen('Metadata', before + 3);
    expect(isCreated).toBe(false);
    if (log) log.leader = 2;
    await creating;
  });

  it('says which topic has no leaders when that takes too long', async ({ expect }) => {
    await using edge = await Edge.start();
    const unknown = { error: ERRORS.UNKNOWN_TOPIC_OR_PARTITION, at: 'new' };
    edge.kafka.on('Metadata', unknown, { isLasting: true });
    await expect(edge.topics.ensureTopics([topic], true)).rejects.toThrow(
      'Kafka has created new, but after 8000 ms some of its partitions still have no leader',
    );
  });

  it('succeeds if another process has just created the topic', async ({ expect }) => {
    await using edge = await Edge.start();
    edge.kafka.on('CreateTopics', { error: ERRORS.TOPIC_ALREADY_EXISTS });
    const creating = edge.topics.ensureTopics([topic], true);
    await edge.kafka.seen('CreateTopics');
    edge.kafka.model.addTopic('new', [1, 2, 3]);
    await expect(creating).resolves.toBeUndefined();
  });

  const refused: readonly ErrorName[] = [
    'UNKNOWN_SERVER_ERROR',
    'INVALID_TOPIC_EXCEPTION',
    'TOPIC_AUTHORIZATION_FAILED',
    'CLUSTER_AUTHORIZATION_FAILED',
    'INVALID_PARTITIONS',
    'INVALID_REPLICATION_FACTOR',
    'INVALID_CONFIG',
    'INVALID_REQUEST',
    'POLICY_VIOLATION',
  ];
  it.for(refused)('fails after %s', async (name, { expect }) => {
    await using edge = await Edge.start();
    edge.kafka.on('CreateTopics', { error: ERRORS[name] }, { isLasting: true });
    await expect(edge.topics.ensureTopics([topic], true)).rejects.toThrow(TroubleError);
    expect(edge.kafka.model.topics.has('new')).toBe(false);
  });

  it.for(['INVALID_CONFIG', 'POLICY_VIOLATION'] as const)(
    'says after %s which topic Kafka refuses, and how to create it',
    async (name, { expect }) => {
      await using edge = await Edge.start();
      edge.kafka.on('CreateTopics', { error: ERRORS[name], at: 'new' }, { isLasting: true });
      await expect(edge.topics.ensureTopics([topic], true)).rejects.toThrow(
        new RegExp(`refuses to create new \\(${name}\\)[\\s\\S]*kafka-topics.sh .*--topic new`),
      );
    },
  );

  it('fails after NOT_CONTROLLER, and succeeds if it is tried again', async ({ expect }) => {
    await using edge = await Edge.start();
    edge.kafka.on('CreateTopics', { error: ERRORS.NOT_CONTROLLER });
    await expect(edge.topics.ensureTopics([topic], true)).rejects.toThrow(TroubleError);
    await edge.topics.ensureTopics([topic], true);
    expect(edge.kafka.model.topics.has('new')).toBe(true);
  });
});

it('leaves no connection open to a node that takes it and says nothing', async ({ expect }) => {
  await using silent = await SilentServer.open();
  const brokers = [`127.0.0.1:${silent.port}`];
  const options = { brokers, clientId: 'edge', log: pino({ level: 'silent' }) };
  const view = new ClusterView(options);
  const sockets: Socket[] = [];
  const note = (opened: unknown) => void sockets.push((opened as { socket: Socket }).socket);
  const openings = channel('net.client.socket');
  openings.subscribe(note);
  try {
    const listing = new TopicCreator(options, view).ensureTopics([], false);
    await expect(listing).rejects.toThrow(TroubleError);
    expect(silent.accepted).toBeGreaterThan(0);
    const isOpen = (socket: Socket) => socket.remotePort === silent.port && !socket.destroyed;
    // kafkajs would try again for some seconds.
    await eventually(() => expect(sockets.some(isOpen)).toBe(false), { withinMs: 30_000 });
  } finally {
    openings.unsubscribe(note);
    view.close();
  }
});
