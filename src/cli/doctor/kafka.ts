import type { KafkaExamination } from '../../adapters/broker/kafka/examination.ts';
import type { MissingPermission } from '../../adapters/broker/kafka/security/missing-permissions.ts';
import type { Config } from '../../config.ts';
import { neededTopics } from '../../doctor/needed-topics.ts';
import type { NeededTopic } from '../../doctor/topic-rule.ts';
import { transactionalIdOf } from '../../entrypoints/transactional-ids.ts';
import { allTopicSettings } from '../../topic-settings.ts';
import { type Report, runCheck, skipped } from './report.ts';
import { examineTopics, NO_ANSWER } from './topics.ts';

const NO_BROKER = {
  risk: 'the service cannot use this broker',
  otherwise:
    'check that Kafka runs there, that this machine reaches it, and that KAFKA_BROKERS and ' +
    'advertised.listeners of the broker name the right address',
};

/** What the service needs on each topic. Kafka does not tell whether it may create a topic. */
const NEEDED = ['Read', 'Write', 'DescribeConfigs'] as const;
const NO_WORK = 'the service cannot work until this is granted';
const NO_AUDIT =
  'operators cannot act, or cannot read the audit (GET /audit), until this is granted';

interface Question {
  readonly subject: string;
  /** What follows if something is missing. */
  readonly risk: string;
  /** Asks what is missing. Null: Kafka does not tell. */
  readonly ask: () => Promise<readonly MissingPermission[] | null>;
}

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
  yield* examineTopics(kafka, config, needed);
}

async function reachAll(kafka: KafkaExamination): Promise<readonly Report[]> {
  const brokers = await kafka.brokers();
  const reports = brokers.map((broker) => {
    const reach = async () => {
      await kafka.reach(broker);
      return [];
    };
    return runCheck({ check: 'connection', subject: `Kafka at ${broker}` }, reach, NO_BROKER);
  });
  return (await Promise.all(reports)).flat();
}

async function examinePermissions(
  { permissions }: KafkaExamination,
  { groupId, commandsTopic }: Config,
  topics: readonly NeededTopic[],
): Promise<readonly Report[]> {
  const id = transactionalIdOf(groupId, { topic: commandsTopic, partition: 0 });
  const questions: readonly Question[] = [
    ...topics.map(({ name, role }) => ({
      subject: `topic ${name}`,
      risk: role === 'audit' ? NO_AUDIT : NO_WORK,
      ask: () => permissions.onTopic(name, NEEDED),
    })),
    { subject: `group ${groupId}`, risk: NO_WORK, ask: () => permissions.onGroup(groupId) },
    {
      subject: `transactional ids ${groupId}-…`,
      risk: NO_WORK,
      ask: () => permissions.onTransactionalId(id, `${groupId}-`),
    },
  ];
  return (await Promise.all(questions.map(examinePermission))).flat();
}

async function examinePermission({ subject, risk, ask }: Question): Promise<readonly Report[]> {
  const of = { check: 'permissions', subject } as const;
  let isTold = true;
  const work = async () => {
    const missing = await ask();
    isTold = missing !== null;
    return (missing ?? []).map(({ what, grant }) => ({ problem: what, risk, remedy: grant }));
  };
  const reports = await runCheck(of, work, NO_ANSWER);
  if (isTold) return reports;
  return [skipped(of, 'this Kafka does not tell what a client may do (KIP-430)')];
}
