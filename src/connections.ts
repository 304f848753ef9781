import type { Logger } from 'pino';
import { EmbeddedBroker } from './adapters/broker/embedded/broker.ts';
import { KafkaBroker } from './adapters/broker/kafka/broker.ts';
import type { KafkaOptions } from './adapters/broker/kafka/client.ts';
import { KafkaExamination } from './adapters/broker/kafka/examination.ts';
import { ConnectionSecurity } from './adapters/broker/kafka/security/connection-security.ts';
import { Database } from './adapters/database/database.ts';
import { type AuditWriter, auditWriter } from './audit/topic-writer.ts';
import type { Config } from './config.ts';
import type { Broker } from './service-layer/broker.ts';
import { auditTopicSettings } from './topic-settings.ts';

/** The file of the embedded log, if the service's database is not a SQLite file. */
const LOG_DATABASE_URL = 'sqlite:///./cosmicpython.db';

/**
 * Makes the writer of the audit topic. The writer creates a missing topic if KAFKA_CREATE_TOPICS
 * allows that.
 *
 * @returns null: AUDIT_TOPIC is not set
 */
export function openAuditTopic(
  config: Config,
  broker: Pick<Broker, 'ensureTopics' | 'publish'>,
): AuditWriter | null {
  const [topic] = auditTopicSettings(config);
  return topic ? auditWriter(broker, topic, config.createTopics) : null;
}

/** Returns the URL of the SQLite database that has the embedded log. */
export function embeddedLogUrl({ databaseUrl }: Pick<Config, 'databaseUrl'>): string {
  return databaseUrl.startsWith('sqlite:') ? databaseUrl : LOG_DATABASE_URL;
}

/**
 * Opens Kafka if KAFKA_BROKERS is set, or else the embedded log (`embeddedLogUrl`).
 *
 * @throws {DatabaseUnavailableError} the embedded log's file cannot be opened
 */
export async function openBroker(config: Config, log: Logger): Promise<Broker> {
  const kafka = kafkaOptions(config, log);
  if (kafka) return new KafkaBroker(kafka);
  const database = await openLogDatabase(config);
  await database.runMigrations();
  return new EmbeddedBroker(database);
}

/** Opens an examination of Kafka, which changes nothing. Null: the log is embedded. */
export function openExamination(config: Config, log: Logger): KafkaExamination | null {
  const kafka = kafkaOptions(config, log);
  return kafka && new KafkaExamination(kafka);
}

function kafkaOptions(config: Config, log: Logger): KafkaOptions | null {
  return (
    config.kafkaBrokers && {
      brokers: config.kafkaBrokers,
      clientId: config.groupId,
      instanceId: config.instanceId,
      security: config.kafkaSecurity && new ConnectionSecurity(config.kafkaSecurity, log),
      log,
    }
  );
}

/**
 * Opens the log as `openBroker` does, but creates and migrates no database.
 *
 * @throws {NoDatabaseError} the embedded log's file does not exist
 * @throws {DatabaseUnavailableError} the embedded log's file cannot be opened
 */
export async function openExistingBroker(config: Config, log: Logger): Promise<Broker> {
  if (config.kafkaBrokers) return openBroker(config, log);
  const { databaseLimits } = config;
  return new EmbeddedBroker(await Database.openExisting(embeddedLogUrl(config), databaseLimits));
}

/** Opens the database that has the embedded log. */
export function openLogDatabase(config: Config): Promise<Database> {
  return Database.open(embeddedLogUrl(config), config.databaseLimits);
}

/**
 * Opens the service's database without migrating it.
 *
 * @throws {DatabaseUnavailableError} the database cannot be opened
 */
export function openDatabase(config: Config): Promise<Database> {
  return Database.open(config.databaseUrl, config.databaseLimits);
}
