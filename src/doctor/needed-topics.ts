import type { Config } from '../config.ts';
import type { TopicSettings } from '../service-layer/broker.ts';
import type { NeededTopic } from './topic-rule.ts';

/**
 * Returns what the service needs of each topic.
 * @param settings the topics as the service creates them
 */
export function neededTopics(
  { commandsTopic, eventsTopic, auditTopic }: Config,
  settings: readonly TopicSettings[],
): readonly NeededTopic[] {
  const roles = new Map([
    [commandsTopic, 'commands'],
    [eventsTopic, 'events'],
    [auditTopic, 'audit'],
  ] as const);
  return settings.map(({ name, maxMessageBytes }) => {
    return { name, role: roles.get(name) ?? 'dead letters', maxMessageBytes };
  });
}

/** Returns the options with which Kafka's tools reach the cluster. KAFKA_BROKERS must be set. */
export function toolOptions({
  kafkaBrokers,
  kafkaSecurity,
}: Pick<Config, 'kafkaBrokers' | 'kafkaSecurity'>): string {
  const server = `--bootstrap-server ${kafkaBrokers?.join(',')}`;
  return kafkaSecurity ? `${server} --command-config admin.properties` : server;
}
