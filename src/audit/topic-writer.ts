import type { Broker, TopicSettings } from '../service-layer/broker.ts';
import type { LogRecord } from '../service-layer/records.ts';

/**
 * Appends a record to the audit topic durably.
 * @throws the topic is missing, or the log cannot take the record now
 */
export type AuditWriter = (record: LogRecord) => Promise<void>;

/**
 * Makes a writer that makes sure of the topic before its first record.
 * @param create whether to create a missing topic
 */
export function auditWriter(
  broker: Pick<Broker, 'ensureTopics' | 'publish'>,
  topic: TopicSettings,
  create: boolean,
): AuditWriter {
  let isThere = false;
  return async (record) => {
    if (!isThere) await broker.ensureTopics([topic], create);
    isThere = true;
    await broker.publish(topic.name, [record]);
  };
}
