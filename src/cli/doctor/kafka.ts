import type { KafkaExamination } from '../../adapters/broker/kafka/examination.ts';
import type { MissingPermission } from '../../adapters/broker/kafka/security/missing-permissions.ts';
import type { Config } from '../../config.ts';
import type { Finding } from '../../doctor/finding.ts';
import { neededTopics, toolOptions } from '../../doctor/needed-topics.ts';
import { offsetsFindings, topicFindings } from '../../doctor/topic-findings.ts';
import type { NeededTopic } from '../../doctor/topic-rule.ts';
import { transactionalIdOf } from '../../entrypoints/transactional-ids.ts';
import { allTopicSettings } from '../../topic-settings.ts';
import { carryOut, type Report, skipped } from './report.ts';

const NO_BROKER = {
  risk: 'the service cannot use this broker',
  otherwise:
    'check that Kafka runs there, that this machine reaches it, and that KAFKA_BROKERS and ' +
    'advertised.listeners of the broker name the right address',
};
const NO_ANSWER = {
  risk: 'this check has no result',
  otherwise: 'look at the log of the brokers, and run this command again',
};

const MISSING: Finding = {
  problem: 'the topic does not exist',
  risk: 'the service does not start (KAFKA_CREATE_TOPICS=false)',
  remedy: 'create it as "npx allocation start" says, or set KAFKA_CREATE_TOPICS=true',
};

const WRITTEN = ['Write'] as const;
const READ_AND_WRITTEN = ['Read', 'Write', 'DescribeConfigs'] as const;

/** Asks what is missing. Null: Kafka does not tell. */
type Question = () => Promise<readonly MissingPermission[] | null>;

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
  const needed = neededTopics(config, allTopicSettings(config));
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
  const questions: readonly (readonly [string, Question])[] = [
    ...topics.map(({ name, role }) => {
      const needed = role === 'audit' ? WRITTEN : READ_AND_WRITTEN;
      return [`topic ${name}`, () => permissions.onTopic(name, needed)] as const;
    }),
    [`group ${groupId}`, () => permissions.onGroup(groupId)],
    [`transactional ids ${groupId}-…`, () => permissions.onTransactionalId(id, `${groupId}-`)],
  ];
  const reports = questions.map(([subject, ask]) => examinePermission(subject, ask));
  return (await Promise.all(reports)).flat();
}

async function examinePermission(subject: string, ask: Question): Promise<readonly Report[]> {
  const of = { check: 'permissions', subject } as const;
  let isTold = true;
  const work = async () => {
    const missing = await ask();
    isTold = missing !== null;
    return (missing ?? []).map(asFinding);
  };
  const reports = await carryOut(of, work, NO_ANSWER);
  if (isTold) return reports;
  return [skipped(of, 'this Kafka does not tell what a client may do (KIP-430)')];
}

function asFinding({ what, grant }: MissingPermission): Finding {
  return { problem: what, risk: 'the service cannot work until this is granted', remedy: grant };
}

async function examineTopic(
  kafka: KafkaExamination,
  config: Config,
  topic: NeededTopic,
): Promise<readonly Report[]> {
  const of = { check: 'topic', subject: topic.name } as const;
  let isReadable = true;
  let isThere = true;
  const work = async () => {
    const state = await kafka.topic(topic.name);
    isThere = state !== null;
    if (state === null) return [MISSING];
    isReadable = state.settings !== null;
    return topicFindings(topic, state, toolOptions(config));
  };
  const reports = await carryOut(of, work, NO_ANSWER);
  if (!isThere && config.createTopics)
    return [skipped(of, 'the topic does not exist: the next start creates it')];
  if (isReadable) return reports;
  return [
    ...reports.filter(({ state }) => state === 'finding'),
    skipped(of, 'Kafka does not let this user read the settings (DescribeConfigs)'),
  ];
}
