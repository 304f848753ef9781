import type { Logger } from 'pino';
import type { Database } from '../adapters/database/database.ts';
import type { Audit } from '../audit/audit.ts';
import type { Config } from '../config.ts';
import type { Broker } from '../service-layer/broker.ts';
import { awaitBroker, withDeadlines, within } from './broker-deadline.ts';
import { MissingDatabaseError } from './errors.ts';

const CLOSE_TIMEOUT_MS = 2_000;
/** A busy service on the same SQLite file keeps the file locked most of the time. */
const BUSY_TIMEOUT_MS = 10_000;

/** What a command on the log works with. */
export interface BrokerSession {
  readonly config: Config;
  readonly broker: Broker;
  /** Records the acts of the command. */
  readonly audit: Audit;
}

interface LogOptions {
  /** Whether to create what is missing: the embedded log's file, and topics. */
  readonly mayCreate: boolean;
  readonly logLevel?: string;
}

/**
 * Opens the log, makes sure that its topics exist, lets the command work, and closes the log.
 *
 * @throws there is no embedded log, or there are no topics; the message says what to do
 */
export async function withBroker<T>(
  options: LogOptions,
  work: (session: BrokerSession) => Promise<T>,
): Promise<T> {
  const config = await readSettings();
  const { openAuditTopic } = await import('../connections.ts');
  const { topicSettings } = await import('../topic-settings.ts');
  const { auditOfUser } = await import('./cli-audit.ts');
  const broker = await openLog(config, options);
  try {
    await awaitBroker(
      broker.ensureTopics(topicSettings(config), options.mayCreate && config.createTopics),
      config,
    );
    const write = openAuditTopic(config, withDeadlines(broker, config));
    return await work({ config, broker, audit: auditOfUser(config, write) });
  } catch (error) {
    if (!config.kafkaBrokers) refuseOlderTables(error);
    if (codeOf(error) !== 'missing-topic' || !config.createTopics) throw error;
    throw new Error(
      'The topics do not exist yet: "npx allocation start" or "npx allocation publish" creates ' +
        'them (COMMANDS_TOPIC, EVENTS_TOPIC and DEAD_LETTERS_TOPIC are their names)',
      { cause: error },
    );
  } finally {
    await close(broker);
  }
}

/** Opens the log. @throws there is no embedded log; the message says what to do */
export async function openLog(
  config: Config,
  { mayCreate, logLevel = 'silent' }: LogOptions,
): Promise<Broker> {
  if (!config.kafkaBrokers) refuseForeignMemory(config, 'the embedded log');
  const { openBroker, openExistingBroker } = await import('../connections.ts');
  const logger = await openLogger(config, logLevel);
  const open = mayCreate ? openBroker : openExistingBroker;
  return adviseOnMissing(open(withLongBusyTimeout(config), logger));
}

/**
 * Opens the database, lets the command work, and closes the database.
 *
 * @param options `mayCreate`: whether to create the database if it is missing
 * @throws there is no database, or it lacks tables; the message says what to do
 */
export async function withDatabase<T>(
  options: { readonly mayCreate: boolean },
  work: (database: Database) => Promise<T>,
): Promise<T> {
  const config = await readSettings();
  refuseForeignMemory(config, 'the database');
  const { openDatabase } = await import('../connections.ts');
  const database = await (options.mayCreate
    ? openDatabase(withLongBusyTimeout(config))
    : openExistingDatabase(config, { url: config.databaseUrl, setBy: 'DATABASE_URL' }));
  try {
    return await work(database);
  } catch (error) {
    refuseOlderTables(error);
    throw error;
  } finally {
    await close(database);
  }
}

/** How the user named a database. */
interface NamedDatabase {
  readonly url: string;
  /** The variable or the option that has the URL. */
  readonly setBy: 'DATABASE_URL' | '--database' | '--into';
}

/** Opens a database, and creates none. @throws there is no database; the message says what to do */
export async function openExistingDatabase(
  config: Config,
  { url, setBy }: NamedDatabase,
): Promise<Database> {
  const { Database } = await import('../adapters/database/database.ts');
  const { completeDatabaseUrl } = await import('../config.ts');
  const { databaseLimits } = withLongBusyTimeout(config);
  const whole = completeDatabaseUrl(url, config);
  return adviseOnMissing(Database.openExisting(whole, databaseLimits), setBy);
}

/** Adds to the error of a missing database what to do next. */
async function adviseOnMissing<T>(
  opening: Promise<T>,
  setBy: NamedDatabase['setBy'] = 'DATABASE_URL',
): Promise<T> {
  return opening.catch((error: unknown) => {
    if (codeOf(error) !== 'no-database') throw error;
    const { message } = error as Error;
    const advice =
      setBy === 'DATABASE_URL'
        ? 'set DATABASE_URL to the database of the service, ' +
          'or create this one with "npx allocation start"'
        : `name an existing database with ${setBy}`;
    throw new MissingDatabaseError(`${message}: ${advice}`, { cause: error, advice });
  });
}

/**
 * Turns the error of a statement that misses a table or a column into advice.
 * @throws {Error} the database lacks tables of this version; the message says what to do
 */
export function refuseOlderTables(error: unknown): void {
  if (!isMissingTable(error)) return;
  throw new Error(
    'The database does not have the tables of this version yet: ' +
      'run "npx allocation migrate" or "npx allocation start", ' +
      'or set DATABASE_URL to the database of the service',
    { cause: error },
  );
}

/** Tells whether a statement failed because the database has not been migrated. */
export function isMissingTable(error: unknown): boolean {
  return /no such (table|column)|(relation|column) .* does not exist/.test(
    (error as Error).message,
  );
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : null;
}

/** Reads the settings from the environment. Commands call this when they run, not for --help. */
export async function readSettings(): Promise<Config> {
  const { readConfig } = await import('../config.ts');
  return readConfig();
}

/** Lets SQLite wait longer for a lock than a service may, because nothing else waits meanwhile. */
export function withLongBusyTimeout(config: Config) {
  return {
    ...config,
    databaseLimits: { ...config.databaseLimits, busyTimeoutMs: BUSY_TIMEOUT_MS },
  };
}

/** Closes the resource. Ignores a failure, because the work is done and the process ends anyway. */
export async function close(resource: { close(): Promise<void> }): Promise<void> {
  await within(CLOSE_TIMEOUT_MS, resource.close(), 'The resource did not close').catch(() => {});
}

/** Refuses a database in memory. @throws {Error} the memory belongs to another process */
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
export async function openLogger({ logLevel }: Config, usualLevel: string): Promise<Logger> {
  const { createLog } = await import('../log.ts');
  const level = logLevel === 'debug' || logLevel === 'trace' ? logLevel : usualLevel;
  return createLog(level, process.stderr);
}
