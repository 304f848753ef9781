import type { Config } from './config.ts';
import { MAX_COMMAND_BYTES } from './messages/read-command.ts';
import type { TopicSettings } from './service-layer/broker.ts';

const HEADERS_BYTES = 64 * 1024;

/**
 * Lists the topics as this service creates them. A command that is slightly too large still
 * arrives, and its dead letter still fits. A rebuild needs every event
 * (docs/decisions/0016-a-rebuild-needs-every-event.md).
 */
export function topicSettings(config: Config): readonly TopicSettings[] {
  const partitions = config.topicPartitions;
  return [
    { name: config.commandsTopic, partitions, maxMessageBytes: MAX_COMMAND_BYTES + HEADERS_BYTES },
    {
      name: config.eventsTopic,
      partitions,
      maxMessageBytes: MAX_COMMAND_BYTES + HEADERS_BYTES,
      keepsAll: true,
    },
    {
      name: config.deadLettersTopic,
      partitions,
      maxMessageBytes: 2 * (MAX_COMMAND_BYTES + HEADERS_BYTES),
    },
  ];
}

/** Returns the audit topic as this service creates it. Empty: AUDIT_TOPIC is not set. */
export function auditTopicSettings({
  auditTopic,
  topicPartitions,
}: Config): readonly TopicSettings[] {
  if (auditTopic === null) return [];
  const maxMessageBytes = MAX_COMMAND_BYTES + HEADERS_BYTES;
  return [{ name: auditTopic, partitions: topicPartitions, maxMessageBytes, keepsAll: true }];
}

/** Returns every topic as this service creates it. */
export function allTopicSettings(config: Config): readonly TopicSettings[] {
  return [...topicSettings(config), ...auditTopicSettings(config)];
}
