import type { KafkaExamination } from '../../adapters/broker/kafka/examination.ts';
import type { MissingPermission } from '../../adapters/broker/kafka/security/missing-permissions.ts';
import { topicSettings } from '../../bootstrap.ts';
import type { Config } from '../../config.ts';
import type { Finding } from '../../doctor/finding.ts';
import { neededTopics, toolOptions } from '../../doctor/needed-topics.ts';
import { offsetsFindings, topicFindings } from '../../doctor/topic-findings.ts';
import type { NeededTopic } from '../../doctor/topic-rule.ts';
import { transactionalIdOf } from '../../entrypoints/transactional-ids.ts';
import { carryOut, type Report, skipped } from './report.ts';

const NO_BROKER = {
  risk: 'the service cannot use this broker',
  otherwise:
    'check that Kafka runs there, that this machine reaches it, and that KAFKA_BROKERS and ' +
    'advertised.listeners of the broker name the right address',
};
const NO_ANSWER = {
  risk: 'nobody knows whether this is as it should be',
  otherwise: 'look at the log of the brokers, and run this command again',
};

/** Checks the brokers, what the service may do there, and the settings of its topics. */
export async function* examineKafka(
  kafka: KafkaExamination,
  config: Config,
): AsyncGenerator<Report> {
  const reached = await reachAll(kafka);
  yield* reached;
  if (reached.every(({ state }) => state !== 'ok'))
    return yield skipped({ check: 'topic', subject: 'Kafka' }, 'no broker can be used');
  yield skipped(
    { check: 'clock', subject: 'Kafka' },
    'no request tells the clock of a broker: compare it with your time server',
  );
  const needed = neededTopics(config, topicSettings(config));
  yield* await examinePermissions(kafka, config, needed);
  for (const topic of needed) yield* await examineTopic(kafka, config, topic);
  const offsets = { check: 'topic', subject: 'committed offsets' } as const;
  const minutes = await kafka.offsetsRetentionMinutes().catch(() => null);
  if (minutes === null)
    yield skipped(offsets, 'Kafka does not let this user read offsets.retention.minutes');
  else yield* await carryOut(offsets, async () => offsetsFindings(minutes), NO_ANSWER);
}

async function reachAll(kafka: KafkaExamination): Promise<readonly Report[]> {
  const brokers = await kafka.brokers();
  const reports = brokers.map((broker) => {
    const reach = async () => {
      await kafka.reach(broker);
      return [];
    };
    return carryOut({ check: 'connection', subject: `Kafka at ${broker}` }, reach, NO_BROKER);
  });
  return (await Promise.all(reports)).flat();
}

async function examinePermissions(
  { permissions }: KafkaExamination,
  { groupId, commandsTopic }: Config,
  topics: readonly NeededTopic[],
): Promise<readonly Report[]> {
  const id = transactionalIdOf(groupId, { topic: commandsTopic, partition: 0 });
  const questions: readonly (readonly [string, () => Promise<readonly MissingPermission[]>])[] = [
    ...topics.map(({ name }) => [`topic ${name}`, () => permissions.onTopic(name)] as const),
    [`group ${groupId}`, () => permissions.onGroup(groupId)],
    [`transactional ids ${groupId}-…`, () => permissions.onTransactionalId(id, `${groupId}-`)],
  ];
  const reports = questions.map(([subject, ask]) =>
    carryOut(
      { check: 'permissions', subject },
      async () => (await ask()).map(asFinding),
      NO_ANSWER,
    ),
  );
  return (await Promise.all(reports)).flat();
}

function asFinding({ what, grant }: MissingPermission): Finding {
  return { problem: what, risk: 'the service waits until Kafka lets it', remedy: grant };
}

async function examineTopic(
  kafka: KafkaExamination,
  config: Config,
  topic: NeededTopic,
): Promise<readonly Report[]> {
  const of = { check: 'topic', subject: topic.name } as const;
  let isReadable = true;
  const work = async () => {
    const state = await kafka.topic(topic.name);
    if (state === null) return [missing(config)];
    isReadable = state.settings !== null;
    return topicFindings(topic, state, toolOptions(config));
  };
  const reports = await carryOut(of, work, NO_ANSWER);
  if (isReadable) return reports;
  return [
    ...reports.filter(({ state }) => state === 'finding'),
    skipped(of, 'Kafka does not let this user read the settings (DescribeConfigs)'),
  ];
}

function missing({ createTopics }: Config): Finding {
  return {
    problem: 'the topic does not exist',
    risk: createTopics
      ? 'none, if "npx allocation start" is to create it'
      : 'the service does not start (KAFKA_CREATE_TOPICS=false)',
    remedy: createTopics
      ? 'npx allocation start'
      : 'create it as "npx allocation start" says, or set KAFKA_CREATE_TOPICS=true',
  };
}
