import type { KafkaExamination } from '../../adapters/broker/kafka/examination.ts';
import { AccessDeniedError } from '../../adapters/broker/kafka/security/permissions.ts';
import type { Config } from '../../config.ts';
import type { Finding } from '../../doctor/finding.ts';
import { toolOptions } from '../../doctor/needed-topics.ts';
import {
  offsetsFindings,
  replicationFindings,
  topicFindings,
} from '../../doctor/topic-findings.ts';
import type { NeededTopic } from '../../doctor/topic-rule.ts';
import { type Report, runCheck, skipped } from './report.ts';

export const NO_ANSWER = {
  risk: 'this check has no result',
  otherwise: 'look at the log of the brokers, and run this command again',
};

const MISSING: Finding = {
  problem: 'the topic does not exist',
  risk: 'the service does not start (KAFKA_CREATE_TOPICS=false)',
  remedy: 'create it as "npx allocation start" says, or set KAFKA_CREATE_TOPICS=true',
};

/** The topics in which Kafka itself keeps the offsets of groups, and the state of transactions. */
const TOPICS_OF_KAFKA = ['__consumer_offsets', '__transaction_state'] as const;

/** Checks the settings of the topics, and how long Kafka keeps committed offsets. */
export async function* examineTopics(
  kafka: KafkaExamination,
  config: Config,
  needed: readonly NeededTopic[],
): AsyncGenerator<Report> {
  for (const topic of needed) yield* await examineTopic(kafka, config, topic);
  for (const name of TOPICS_OF_KAFKA) yield* await examineTopicOfKafka(kafka, config, name);
  const offsets = { check: 'topic', subject: 'committed offsets' } as const;
  const minutes = await kafka.offsetsRetentionMinutes().catch(() => null);
  if (minutes === null)
    yield skipped(offsets, 'Kafka does not let this user read offsets.retention.minutes');
  else yield* await runCheck(offsets, async () => offsetsFindings(minutes), NO_ANSWER);
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
  const reports = await runCheck(of, work, NO_ANSWER);
  if (!isThere && config.createTopics)
    return [skipped(of, 'the topic does not exist: the next start creates it, if it may (Create)')];
  if (isReadable) return reports;
  return [
    ...reports.filter(({ state }) => state === 'finding'),
    skipped(of, 'Kafka does not let this user read the settings (DescribeConfigs)'),
  ];
}

async function examineTopicOfKafka(
  kafka: KafkaExamination,
  config: Config,
  name: (typeof TOPICS_OF_KAFKA)[number],
): Promise<readonly Report[]> {
  const of = { check: 'topic', subject: name } as const;
  let unseen: string | null = null;
  const work = async () => {
    const state = await kafka.topic(name).catch((error: unknown) => {
      if (!(error instanceof AccessDeniedError)) throw error;
      unseen =
        'Kafka does not let this user see it (Describe): a coordinator that moves is noticed ' +
        'some seconds later';
      return null;
    });
    unseen ??= state === null ? 'Kafka creates the topic when it is first needed' : null;
    return state === null ? [] : replicationFindings(name, state, toolOptions(config));
  };
  const reports = await runCheck(of, work, NO_ANSWER);
  return unseen === null ? reports : [skipped(of, unseen)];
}
