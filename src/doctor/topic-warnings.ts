import type { Logger } from 'pino';
import type { KafkaExamination } from '../adapters/broker/kafka/examination.ts';
import { topicFindings } from './topic-findings.ts';
import type { NeededTopic } from './topic-rule.ts';

/**
 * Logs what the settings of the topics risk, each finding once. Settings that Kafka does not tell
 * are no reason to warn: `allocation doctor` says which permission is missing. Never rejects.
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
