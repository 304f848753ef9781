import type { Logger } from 'pino';
import { Database } from './adapters/database/database.ts';
import { refuseMarked } from './adapters/database/replay/rebuild-mark.ts';
import type { AuditWriter } from './audit/topic-writer.ts';
import type { Config } from './config.ts';
import { openAuditTopic, openBroker, openLogDatabase } from './connections.ts';
import { StartStep } from './entrypoints/start-step.ts';
import type { Broker } from './service-layer/broker.ts';
import type { MessageBus } from './service-layer/message-bus.ts';
import type { Notifications } from './service-layer/notifications.ts';
import { startTracing } from './tracing/start-tracing.ts';
import type { Tracing } from './tracing/tracing.ts';

/** Replaces parts of the service in tests. */
export interface Overrides {
  readonly clock?: () => Date;
  readonly notifications?: Notifications;
  /** Replaces the message bus, for example to make a handler fail. */
  readonly bus?: MessageBus;
  /** Wraps the log, for example to delay it. */
  readonly broker?: (real: Broker) => Broker;
}

/** What every other part of the service works on. */
export interface Foundation {
  readonly config: Config;
  readonly log: Logger;
  readonly database: Database;
  /** Prepares the database. PostgreSQL may need time for that. */
  readonly opening: StartStep;
  readonly broker: Broker;
  /** Each database of the process: the service's, and that of an embedded log. */
  readonly databases: readonly Database[];
  /** Null: AUDIT_TOPIC is not set. */
  readonly writeAudit: AuditWriter | null;
  /** Null: tracing is off. */
  readonly tracing: Tracing | null;
}

/**
 * Opens what the other parts of the service work on. Opens a SQLite file, because waiting mends no
 * file. `Foundation.opening` opens PostgreSQL.
 *
 * @throws {DatabaseUnavailableError} a SQLite file cannot be opened or written
 */
export async function openFoundation(
  config: Config,
  log: Logger,
  overrides: Overrides,
): Promise<Foundation> {
  const database = await Database.createUnconnected(config.databaseUrl, config.databaseLimits);
  const opening = new StartStep({
    beginning: 'The database is not ready, and the service waits',
    act: () => prepare(database, config),
    log,
  });
  if (database.dialect === 'sqlite') await opening.attempt();
  const broker = (overrides.broker ?? ((real) => real))(await openBroker(config, log));
  const databases = config.kafkaBrokers ? [database] : [database, await openLogDatabase(config)];
  const messagingSystem = config.kafkaBrokers ? 'kafka' : 'allocation';
  const tracing = await startTracing(config.tracing, messagingSystem, log);
  const writeAudit = openAuditTopic(config, broker);
  return { config, log, database, opening, broker, databases, writeAudit, tracing };
}

/**
 * Connects to the database, migrates it, and refuses a database that is marked.
 *
 * @throws {DatabaseUnavailableError} the database cannot be used, or this user may not migrate it
 * @throws {NewerDatabaseError}
 * @throws {MarkedDatabaseError}
 */
async function prepare(database: Database, { autoRecover }: Config): Promise<void> {
  await database.connect();
  await database.runMigrations();
  await refuseMarked(database, { goesOn: autoRecover });
}
