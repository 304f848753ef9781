import { describe, expect, it } from 'vitest';
import { KafkaExamination } from '../../../../src/adapters/broker/kafka/examination.ts';
import { transactionalIdOf } from '../../../../src/entrypoints/transactional-ids.ts';
import { TroubleError } from '../../../../src/service-layer/errors.ts';
import { Edge, GROUP } from '../../../support/fake-kafka/edge.ts';
import { ERRORS } from '../../../support/fake-kafka/error-codes.ts';
import { asAlice } from '../../../support/fake-kafka/secure-edge.ts';

const ID = transactionalIdOf(GROUP, { topic: 'commands', partition: 0 });
const READ = 1 << 3;
const WRITE = 1 << 4;
const DESCRIBE_CONFIGS = 1 << 10;
const ALL = ['Read', 'Write', 'DescribeConfigs'] as const;
/** What a broker answers that does not tell operations. */
const NOT_TOLD = -(2 ** 31);

/** A cluster, and what examines it as Alice. */
class Examined implements AsyncDisposable {
  readonly edge: Edge;
  readonly examination: KafkaExamination;

  private constructor(edge: Edge) {
    this.edge = edge;
    this.examination = new KafkaExamination(edge.options);
  }

  static async start(): Promise<Examined> {
    return new Examined(await Edge.start(asAlice('PLAIN')));
  }

  get permissions() {
    return this.examination.permissions;
  }

  topic(name: string) {
    const topic = this.edge.kafka.model.topics.get(name);
    if (!topic) throw new Error(`The cluster has no ${name}`);
    return topic;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.examination.close();
    await this.edge[Symbol.asyncDispose]();
  }
}

describe.concurrent('the examination of a cluster', () => {
  it('lists the configured brokers and those that the cluster names', async () => {
    await using edge = await Edge.start();
    const [first = '', ...others] = edge.kafka.brokers;
    const configured = first.replace('127.0.0.1', 'localhost');
    const examination = new KafkaExamination({ ...edge.options, brokers: [configured] });
    expect(await examination.brokers()).toEqual([configured, first, ...others]);
    examination.close();
  });

  it('lists the configured brokers if none answers', async () => {
    await using edge = await Edge.start();
    const examination = new KafkaExamination({ ...edge.options, brokers: ['127.0.0.1:1'] });
    expect(await examination.brokers()).toEqual(['127.0.0.1:1']);
    await expect(examination.reach('127.0.0.1:1')).rejects.toThrow(
      /Kafka at 127\.0\.0\.1:1 is unreachable/,
    );
    examination.close();
  });

  it('reaches a broker with the password of the service', async () => {
    await using examined = await Examined.start();
    const [broker = ''] = examined.edge.kafka.brokers;
    await expect(examined.examination.reach(broker)).resolves.toBeUndefined();
  });

  it('says that a broker refuses the password', async () => {
    await using edge = await Edge.start(asAlice('PLAIN', 'wrong'));
    const examination = new KafkaExamination(edge.options);
    const [broker = ''] = edge.kafka.brokers;
    await expect(examination.reach(broker)).rejects.toThrow(/refuses the user alice/);
    examination.close();
  });

  it('reads how a topic is kept', async () => {
    await using examined = await Examined.start();
    examined.topic('events').settings.set('retention.ms', '-1').set('other', 'value');
    examined.topic('events').replicas = 2;
    const settings = new Map([
      ['max.message.bytes', '1048588'],
      ['retention.ms', '-1'],
    ]);
    expect(await examined.examination.topic('events')).toEqual({ nodes: 3, replicas: 2, settings });
  });

  it('knows that a topic does not exist, and creates none', async () => {
    await using examined = await Examined.start();
    expect(await examined.examination.topic('missing')).toBeNull();
    expect(await examined.permissions.onTopic('missing', ALL)).toEqual([]);
    expect(examined.edge.kafka.requests('CreateTopics')).toEqual([]);
    expect(examined.edge.kafka.requests('Metadata').some(({ mayCreate }) => mayCreate)).toBe(false);
  });

  it('counts replicas although the settings must not be read', async () => {
    await using examined = await Examined.start();
    examined.edge.kafka.on('DescribeConfigs', { error: ERRORS.TOPIC_AUTHORIZATION_FAILED });
    expect(await examined.examination.topic('events')).toEqual({
      nodes: 3,
      replicas: 3,
      settings: null,
    });
  });

  it.for(['TOPIC_AUTHORIZATION_FAILED', 'LEADER_NOT_AVAILABLE'] as const)(
    'fails in words if the topic is answered with %s',
    async (name) => {
      await using examined = await Examined.start();
      examined.edge.kafka.on('Metadata', { error: ERRORS[name] }, { isLasting: true });
      const asking = examined.examination.topic('events');
      await expect(asking).rejects.toThrow(TroubleError);
      await expect(asking).rejects.toThrow(name);
    },
  );

  it('fails if the settings are answered with another error', async () => {
    await using examined = await Examined.start();
    examined.edge.kafka.on('DescribeConfigs', { error: ERRORS.UNKNOWN_SERVER_ERROR });
    await expect(examined.examination.topic('events')).rejects.toThrow(TroubleError);
  });

  it('reads the retention of committed offsets, if it may', async () => {
    await using examined = await Examined.start();
    expect(await examined.examination.offsetsRetentionMinutes()).toBeNull();
    examined.edge.kafka.model.brokerSettings.set('offsets.retention.minutes', '60');
    expect(await examined.examination.offsetsRetentionMinutes()).toBe(60);
    examined.edge.kafka.on('DescribeConfigs', { error: ERRORS.CLUSTER_AUTHORIZATION_FAILED });
    expect(await examined.examination.offsetsRetentionMinutes()).toBeNull();
  });
});

describe.concurrent('the missing permissions', () => {
  it('are none where there are all', async () => {
    await using examined = await Examined.start();
    const { permissions } = examined;
    expect(await permissions.onTopic('commands', ALL)).toEqual([]);
    expect(await permissions.onGroup(GROUP)).toEqual([]);
    expect(await permissions.onTransactionalId(ID, `${GROUP}-`)).toEqual([]);
  });

  it.for([
    ['Read', WRITE | DESCRIBE_CONFIGS],
    ['Write', READ | DESCRIBE_CONFIGS],
    ['DescribeConfigs', READ | WRITE],
  ] as const)('on a topic name %s with its command', async ([operation, others]) => {
    await using examined = await Examined.start();
    examined.topic('commands').operations = others;
    expect(await examined.permissions.onTopic('commands', ALL)).toEqual([
      {
        what: `User:alice lacks ${operation} on the topic commands`,
        grant: expect.stringMatching(
          new RegExp(
            '^kafka-acls.sh .* --add --allow-principal User:alice ' +
              `--operation ${operation} --topic commands$`,
          ),
        ),
      },
    ]);
  });

  it('on a topic that Kafka hides are all', async () => {
    await using examined = await Examined.start();
    const error = ERRORS.TOPIC_AUTHORIZATION_FAILED;
    examined.edge.kafka.on('Metadata', { error, at: 'commands' }, { isLasting: true });
    const missing = await examined.permissions.onTopic('commands', ALL);
    expect(missing?.map(({ what }) => what)).toEqual(
      ['Read', 'Write', 'DescribeConfigs'].map(
        (operation) => `User:alice lacks ${operation} on the topic commands`,
      ),
    );
  });

  it('are unknown where Kafka does not tell what a client may do', async () => {
    await using examined = await Examined.start();
    examined.topic('commands').operations = NOT_TOLD;
    examined.edge.kafka.model.groupOperations = NOT_TOLD;
    expect(await examined.permissions.onTopic('commands', ALL)).toBeNull();
    expect(await examined.permissions.onGroup(GROUP)).toBeNull();
  });

  it('on a topic leave out what the service does not do there', async () => {
    await using examined = await Examined.start();
    examined.topic('commands').operations = WRITE;
    expect(await examined.permissions.onTopic('commands', ['Write'])).toEqual([]);
  });

  const onGroup = {
    what: `User:alice lacks Read on the group ${GROUP}`,
    grant: expect.stringContaining(`--operation Read --group ${GROUP}`),
  };

  it('on a group that the client may only see name Read', async () => {
    await using examined = await Examined.start();
    examined.edge.kafka.model.groupOperations = ~READ;
    expect(await examined.permissions.onGroup(GROUP)).toEqual([onGroup]);
  });

  it.for(['FindCoordinator', 'DescribeGroups'] as const)(
    'on a group that %s hides name Read',
    async (api) => {
      await using examined = await Examined.start();
      examined.edge.kafka.on(api, { error: ERRORS.GROUP_AUTHORIZATION_FAILED });
      expect(await examined.permissions.onGroup(GROUP)).toEqual([onGroup]);
    },
  );

  it('on a group wait for its coordinator', async () => {
    await using examined = await Examined.start();
    examined.edge.kafka.on('FindCoordinator', { error: ERRORS.COORDINATOR_NOT_AVAILABLE });
    examined.edge.kafka.on('DescribeGroups', { error: ERRORS.COORDINATOR_LOAD_IN_PROGRESS });
    expect(await examined.permissions.onGroup(GROUP)).toEqual([]);
    expect(examined.edge.kafka.isScriptDone).toBe(true);
  });

  it('on a group are unknown after another error', async () => {
    await using examined = await Examined.start();
    examined.edge.kafka.on('DescribeGroups', { error: ERRORS.UNKNOWN_SERVER_ERROR });
    await expect(examined.permissions.onGroup(GROUP)).rejects.toThrow(TroubleError);
  });

  it('on the transactional ids name all of them, and disturb no producer', async () => {
    await using examined = await Examined.start();
    const error = ERRORS.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    examined.edge.kafka.on('FindCoordinator', { error });
    expect(await examined.permissions.onTransactionalId(ID, `${GROUP}-`)).toEqual([
      {
        what: `User:alice lacks Write on the transactional ids that begin with ${GROUP}-`,
        grant: expect.stringContaining(
          `--operation Write --resource-pattern-type prefixed --transactional-id ${GROUP}-`,
        ),
      },
    ]);
    expect(examined.edge.kafka.requests('FindCoordinator')).toEqual([{ key: ID, kind: 1 }]);
    expect(examined.edge.kafka.requests('InitProducerId')).toEqual([]);
  });
});
