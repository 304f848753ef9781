import type { Config } from '../config.ts';
import type { TopicSettings } from '../service-layer/broker.ts';
import type { NeededTopic } from './topic-rule.ts';

/**
 * Says what the service needs of its topics.
 * @param settings the topics as the service creates them
 */
export function neededTopics(
  { commandsTopic, eventsTopic }: Pick<Config, 'commandsTopic' | 'eventsTopic'>,
  settings: readonly TopicSettings[],
): readonly NeededTopic[] {
  const roles = new Map([
    [commandsTopic, 'commands'],
    [eventsTopic, 'events'],
  ] as const);
  return settings.map(({ name, maxMessageBytes }) => {
    return { name, role: roles.get(name) ?? 'dead letters', maxMessageBytes };
  });
}

/** Returns the options with which the tools of Kafka reach the cluster. */
export function toolOptions({
  kafkaBrokers,
  kafkaSecurity,
}: Pick<Config, 'kafkaBrokers' | 'kafkaSecurity'>): string {
  const server = `--bootstrap-server ${kafkaBrokers?.join(',')}`;
  return kafkaSecurity ? `${server} --command-config admin.properties` : server;
}
