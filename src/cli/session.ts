import type { Logger } from 'pino';
import type { Database } from '../adapters/database/database.ts';
import type { Config } from '../config.ts';
import type { Broker } from '../service-layer/broker.ts';

/** A little more than the Kafka adapter gives itself: what it says is more exact. */
const ANSWER_TIMEOUT_MS = 11_000;
const CLOSE_TIMEOUT_MS = 2_000;
/** A service that works hard on the same SQLite file locks it most of the time. */
const BUSY_TIMEOUT_MS = 10_000;

/** What a command on the log works with. */
export interface BrokerSession {
  readonly config: Config;
  readonly broker: Broker;
}

/** Opens the log and sees to its topics, lets the command work, and closes. */
export async function withBroker<T>(
  options: { readonly createTopics: boolean; readonly logLevel?: string },
  work: (session: BrokerSession) => Promise<T>,
): Promise<T> {
  const config = await settings();
  if (!config.kafkaBrokers) refuseForeignMemory(config, 'the embedded log');
  const { openBroker, topicSettings } = await import('../bootstrap.ts');
  const broker = await openBroker(
    patient(config),
    await quietLog(config, options.logLevel ?? 'silent'),
  );
  try {
    await answering(
      broker.ensureTopics(topicSettings(config), options.createTopics && config.createTopics),
      config,
    );
    return await work({ config, broker });
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'missing-topic';
    if (!isMissing || !config.createTopics) throw error;
    const hint =
      '"npx allocation start" creates them, and so does the first "npx allocation publish"';
    throw new Error(
      `The topics are not there yet: ${hint} (COMMANDS_TOPIC, EVENTS_TOPIC and DEAD_LETTERS_TOPIC name them)`,
      {
        cause: error,
      },
    );
  } finally {
    await closed(broker);
  }
}

/** Opens the database, lets the command work, and closes. */
export async function withDatabase<T>(work: (database: Database) => Promise<T>): Promise<T> {
  const config = await settings();
  refuseForeignMemory(config, 'the database');
  const { openDatabase } = await import('../bootstrap.ts');
  const database = await openDatabase(patient(config));
  try {
    return await work(database);
  } catch (error) {
    if (!/no such table|relation .* does not exist/.test((error as Error).message)) throw error;
    throw new Error(
      'The database has no tables yet: run "npx allocation migrate" or "npx allocation start", or set DATABASE_URL',
      {
        cause: error,
      },
    );
  } finally {
    await closed(database);
  }
}

/** The settings, read when a command runs and not when it only explains itself. */
export async function settings(): Promise<Config> {
  const { readConfig } = await import('../config.ts');
  return readConfig();
}

/** The settings of a command that can wait: nobody else needs its thread. */
export function patient(config: Config) {
  return {
    ...config,
    databaseLimits: { ...config.databaseLimits, busyTimeoutMs: BUSY_TIMEOUT_MS },
  };
}

/** What the broker answers; when it does not answer in time, an error that says so. */
export async function answering<T>(
  answer: Promise<T>,
  { kafkaBrokers }: Config,
  timeoutMs: number = ANSWER_TIMEOUT_MS,
): Promise<T> {
  const where = kafkaBrokers ? `Kafka at ${kafkaBrokers.join(',')}` : 'The embedded log';
  const hint = kafkaBrokers
    ? 'is it running there, and is KAFKA_BROKERS right?'
    : 'is its file on a disk that works (DATABASE_URL)?';
  try {
    return await within(
      timeoutMs,
      answer,
      `${where} did not answer within ${timeoutMs / 1_000} s: ${hint}`,
    );
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'trouble')) throw error;
    throw new Error(
      `${where} does not work (${error.message.trim()}): ${isLocked(error) ? LOCKED_HINT : hint}`,
      { cause: error },
    );
  }
}

const LOCKED_HINT =
  'another process has kept its file (DATABASE_URL) locked for 10 s; try again when that one has finished';

function isLocked({ cause }: Error): boolean {
  return cause instanceof Error && 'code' in cause && String(cause.code).startsWith('SQLITE_BUSY');
}

async function within<T>(timeoutMs: number, promise: Promise<T>, message: string): Promise<T> {
  const { promise: timeout, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(message)), timeoutMs);
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/** Not worth an error: the work is done, and the process ends anyway. */
async function closed(resource: { close(): Promise<void> }): Promise<void> {
  await within(CLOSE_TIMEOUT_MS, resource.close(), 'did not close').catch(() => {});
}

function refuseForeignMemory({ databaseUrl }: Config, what: string): void {
  if (databaseUrl !== 'sqlite:///:memory:') return;
  throw new Error(
    `DATABASE_URL=${databaseUrl} keeps ${what} in the memory of the service's own process, which this command cannot see: use a file, e.g. sqlite:///./cosmicpython.db`,
  );
}

/** Goes to stderr: stdout is the command's own. A LOG_LEVEL of debug or trace is for finding out what the adapters do. */
async function quietLog({ logLevel }: Config, usualLevel: string): Promise<Logger> {
  const { pino } = await import('pino');
  const level = logLevel === 'debug' || logLevel === 'trace' ? logLevel : usualLevel;
  if (!process.stderr.isTTY)
    return pino({ level, base: null }, pino.destination({ dest: 2, sync: true }));
  const { default: pretty } = await import('pino-pretty');
  return pino({ level, base: null }, pretty({ destination: 2, sync: true }));
}
