import type { Logger } from 'pino';
import type { KafkaExamination } from '../adapters/broker/kafka/examination.ts';
import { topicFindings } from './topic-findings.ts';
import type { NeededTopic } from './topic-rule.ts';

/**
 * Logs each finding about the topics. Does not warn of settings that Kafka hides, because
 * `allocation doctor` names the missing permission. Never rejects.
 *
 * @param tools how Kafka's tools reach the cluster: `--bootstrap-server host:port`
 */
export async function warnOfTopics(
  kafka: Pick<KafkaExamination, 'topic'>,
  topics: readonly NeededTopic[],
  tools: string,
  log: Logger,
): Promise<void> {
  for (const topic of topics) {
    const { name } = topic;
    const state = await kafka.topic(name).catch((error: Error) => error);
    if (state instanceof Error) {
      log.debug(`The settings of the topic ${name} are not checked: ${state.message}`);
    } else if (state !== null) {
      if (state.settings === null)
        log.debug(`Kafka does not let this user read the settings of the topic ${name}`);
      for (const { problem, risk, remedy } of topicFindings(topic, state, tools))
        log.warn(
          { topic: name },
          `The topic ${name}: ${problem}. Risk: ${risk}. Remedy: ${remedy}`,
        );
    }
  }
}
