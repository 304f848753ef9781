import type { Logger } from 'pino';
import type { Database } from '../adapters/database/database.ts';
import type { Config } from '../config.ts';
import type { Broker } from '../service-layer/broker.ts';
import { awaitBroker, within } from './broker-deadline.ts';

const CLOSE_TIMEOUT_MS = 2_000;
/** A busy service on the same SQLite file keeps the file locked most of the time. */
const BUSY_TIMEOUT_MS = 10_000;

/** What a command on the log works with. */
export interface BrokerSession {
  readonly config: Config;
  readonly broker: Broker;
}

/** Opens the log, makes sure of its topics, lets the command work, and closes the log. */
export async function withBroker<T>(
  options: { readonly createTopics: boolean; readonly logLevel?: string },
  work: (session: BrokerSession) => Promise<T>,
): Promise<T> {
  const config = await readSettings();
  if (!config.kafkaBrokers) refuseForeignMemory(config, 'the embedded log');
  const { openBroker, topicSettings } = await import('../bootstrap.ts');
  const logger = await openLogger(config, options.logLevel ?? 'silent');
  const broker = await openBroker(withLongBusyTimeout(config), logger);
  try {
    await awaitBroker(
      broker.ensureTopics(topicSettings(config), options.createTopics && config.createTopics),
      config,
    );
    return await work({ config, broker });
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'missing-topic';
    if (!isMissing || !config.createTopics) throw error;
    throw new Error(
      'The topics do not exist yet: "npx allocation start" or "npx allocation publish" creates ' +
        'them (COMMANDS_TOPIC, EVENTS_TOPIC and DEAD_LETTERS_TOPIC are their names)',
      { cause: error },
    );
  } finally {
    await close(broker);
  }
}

/** Opens the database, lets the command work, and closes the database. */
export async function withDatabase<T>(work: (database: Database) => Promise<T>): Promise<T> {
  const config = await readSettings();
  refuseForeignMemory(config, 'the database');
  const { openDatabase } = await import('../bootstrap.ts');
  const database = await openDatabase(withLongBusyTimeout(config));
  try {
    return await work(database);
  } catch (error) {
    if (!isMissingTable(error)) throw error;
    throw new Error(
      'The database has no tables yet: run "npx allocation migrate" or "npx allocation start", ' +
        'or set DATABASE_URL to the database of the service',
      { cause: error },
    );
  } finally {
    await close(database);
  }
}

/** Whether a statement failed because the database has not been migrated. */
export function isMissingTable(error: unknown): boolean {
  return /no such table|relation .* does not exist/.test((error as Error).message);
}

/** Reads the settings from the environment. Commands call this when they run, not for --help. */
export async function readSettings(): Promise<Config> {
  const { readConfig } = await import('../config.ts');
  return readConfig();
}

/** Lets SQLite wait longer for a lock than a service could. Nothing else needs this thread. */
export function withLongBusyTimeout(config: Config) {
  return {
    ...config,
    databaseLimits: { ...config.databaseLimits, busyTimeoutMs: BUSY_TIMEOUT_MS },
  };
}

/** Closes the resource. A failure is no error: the work is done, and the process ends anyway. */
async function close(resource: { close(): Promise<void> }): Promise<void> {
  await within(CLOSE_TIMEOUT_MS, resource.close(), 'The resource did not close').catch(() => {});
}

function refuseForeignMemory({ databaseUrl }: Config, what: string): void {
  if (databaseUrl !== 'sqlite:///:memory:') return;
  throw new Error(
    `DATABASE_URL=${databaseUrl} keeps ${what} in the memory of the service's process, ` +
      'where no other command can see it: use a file, e.g. sqlite:///./cosmicpython.db',
  );
}

/**
 * Opens a logger to stderr, because stdout belongs to the command. With LOG_LEVEL=debug or trace,
 * the log shows what the adapters do.
 */
async function openLogger({ logLevel }: Config, usualLevel: string): Promise<Logger> {
  const { pino } = await import('pino');
  const level = logLevel === 'debug' || logLevel === 'trace' ? logLevel : usualLevel;
  if (!process.stderr.isTTY)
    return pino({ level, base: null }, pino.destination({ dest: 2, sync: true }));
  const { default: pretty } = await import('pino-pretty');
  return pino({ level, base: null }, pretty({ destination: 2, sync: true }));
}
