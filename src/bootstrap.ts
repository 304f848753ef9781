import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { EmbeddedBroker } from './adapters/broker/embedded/broker.ts';
import { KafkaBroker } from './adapters/broker/kafka/broker.ts';
import { Database } from './adapters/database/database.ts';
import { countParked } from './adapters/database/lanes/parked-commands.ts';
import { SqlLaneStore } from './adapters/database/lanes/sql-lane-store.ts';
import { refuseMarked } from './adapters/database/replay/rebuild-target.ts';
import { LoggedNotifications } from './adapters/log-notifications.ts';
import type { Config } from './config.ts';
import { CommandConsumer } from './entrypoints/command-consumer.ts';
import { HttpApi } from './entrypoints/http/api.ts';
import { Metrics } from './entrypoints/metrics.ts';
import { Watchdog } from './entrypoints/watchdog.ts';
import { MAX_COMMAND_BYTES } from './messages/incoming.ts';
import { Recovery } from './replay/recovery.ts';
import { recoveryAdvice } from './replay/recovery-advice.ts';
import type { Broker, TopicSettings } from './service-layer/broker.ts';
import { MissingTopicError } from './service-layer/errors.ts';
import { MessageBus } from './service-layer/message-bus.ts';
import type { Notifications } from './service-layer/notifications.ts';

/** What tests put in the place of the real thing. */
export interface Overrides {
  readonly clock?: () => Date;
  readonly notifications?: Notifications;
  /** Wraps the bus's view of the world, e.g. to make a handler fail. */
  readonly bus?: MessageBus;
  /** Wraps the log, e.g. to hold it back. */
  readonly broker?: (real: Broker) => Broker;
}

/** The running parts of one service process. */
export interface Service {
  readonly database: Database;
  readonly broker: Broker;
  readonly consumer: CommandConsumer;
  readonly http: HttpApi;
  /** What keeps it from answering commands, one sentence each; empty: it is ready. */
  problems(): readonly string[];
  /** Resolves when this process cannot work any more. Nothing but another start helps. */
  readonly died: Promise<Error>;
  /** Listens, waits for the broker, rebuilds a database that is older than the topics (AUTO_RECOVER), joins the group. */
  start(): Promise<void>;
  /** Finishes what is in hand and lets go of everything. Safe to call at any time, also during `start`. */
  close(): Promise<void>;
}

const HEADERS_BYTES = 64 * 1024;
const BROKER_RETRY_MS = 2_000;
/** Where the embedded log lives when the database is not a SQLite file itself. */
const LOG_DATABASE_URL = 'sqlite:///./cosmicpython.db';

/** The topics as this service creates them: a command one byte too large still arrives, and its dead letter still fits. */
export function topicSettings(config: Config): readonly TopicSettings[] {
  const partitions = config.topicPartitions;
  return [
    { name: config.commandsTopic, partitions, maxMessageBytes: MAX_COMMAND_BYTES + HEADERS_BYTES },
    { name: config.eventsTopic, partitions, maxMessageBytes: MAX_COMMAND_BYTES + HEADERS_BYTES },
    {
      name: config.deadLettersTopic,
      partitions,
      maxMessageBytes: 2 * (MAX_COMMAND_BYTES + HEADERS_BYTES),
    },
  ];
}

/** The SQLite database that the embedded log is in. */
export function embeddedLogUrl({ databaseUrl }: Pick<Config, 'databaseUrl'>): string {
  return databaseUrl.startsWith('sqlite:') ? databaseUrl : LOG_DATABASE_URL;
}

/** Kafka where KAFKA_BROKERS is set; else the embedded log, in the service's own SQLite file. */
export async function openBroker(config: Config, log: Logger): Promise<Broker> {
  if (config.kafkaBrokers)
    return new KafkaBroker({
      brokers: config.kafkaBrokers,
      clientId: config.groupId,
      instanceId: config.instanceId,
      log,
    });
  const database = await openLog(config);
  await database.runMigrations();
  return new EmbeddedBroker(database);
}

function openLog(config: Config): Promise<Database> {
  return Database.open(embeddedLogUrl(config), config.databaseLimits);
}

/** The service's database as it stands: nothing is migrated. */
export function openDatabase(config: Config): Promise<Database> {
  return Database.open(config.databaseUrl, config.databaseLimits);
}

/** Constructs the service; nothing else does. */
export async function bootstrap(
  config: Config,
  log: Logger,
  overrides: Overrides = {},
): Promise<Service> {
  const database = await openDatabase(config);
  await database.runMigrations();
  await refuseMarked(database, { goesOn: config.autoRecover });
  const broker = (overrides.broker ?? ((real) => real))(await openBroker(config, log));
  const databases = config.kafkaBrokers ? [database] : [database, await openLog(config)];
  const recovery = new Recovery({ database, broker, config, log });
  const closing = new AbortController();
  const { promise: mustRecover, resolve: recoverAtNextStart } = Promise.withResolvers<Error>();
  const endToRecover = async (cause: Error) => {
    // A start that would not rebuild the database would end again, and again.
    if (!config.autoRecover || !(await recovery.isNeeded(closing.signal).catch(() => false)))
      return;
    const why =
      'The database has become older than the topics: started again, the service rebuilds it (AUTO_RECOVER)';
    recoverAtNextStart(new Error(why, { cause }));
  };
  const notifications = overrides.notifications ?? new LoggedNotifications(log);
  const metrics = new Metrics(() => consumer.lanes());
  const consumer: CommandConsumer = new CommandConsumer(config.commandsTopic, {
    broker,
    store: new SqlLaneStore(database, (error) =>
      log.error({ err: error }, 'Work after the commit failed'),
    ),
    group: config.groupId,
    recoveryAdvice: () => recoveryAdvice(database, config.databaseUrl),
    onOlder: (error) => void endToRecover(error),
    log,
    answering: {
      bus: overrides.bus ?? new MessageBus({ notifications }),
      eventsTopic: config.eventsTopic,
      deadLettersTopic: config.deadLettersTopic,
      parkingLimits: config.parkingLimits,
      clock: overrides.clock ?? (() => new Date()),
      metrics,
    },
  });
  const { commandsTopic: topic, groupId: group } = config;
  const watchdog = new Watchdog({
    broker,
    topic,
    group,
    lanes: () => consumer.watchedLanes(),
    log,
  });
  metrics.watchLanes(() => watchdog.stuckLanes);
  metrics.watchWaits(() => consumer.awaitedPartitions());
  metrics.watchParked(() => countParked(database));
  const problems = () => [...recovery.problems(), ...consumer.problems(), ...watchdog.problems()];
  const http = new HttpApi({
    broker,
    commandsTopic: config.commandsTopic,
    eventsTopic: config.eventsTopic,
    query: database.query.bind(database),
    metrics,
    problems,
    log,
  });
  let recovering: Promise<void> = Promise.resolve();
  return {
    database,
    broker,
    consumer,
    http,
    problems,
    died: Promise.race([consumer.died, mustRecover, ...databases.map(({ died }) => died)]),
    async start() {
      await http.listen(config.httpHost, config.httpPort);
      log.info({ url: http.url }, `The HTTP API listens on ${http.url}`);
      await waitForTopics(broker, config, log, closing.signal);
      if (closing.signal.aborted) return;
      watchdog.start();
      if (config.autoRecover) recovering = recovery.run(closing.signal);
      await recovering;
      if (!closing.signal.aborted) await consumer.start();
    },
    async close() {
      closing.abort();
      watchdog.close();
      await http.close();
      await recovering;
      await consumer.close();
      await broker.close();
      await database.close();
    },
  };
}

async function waitForTopics(
  broker: Broker,
  config: Config,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      return await broker.ensureTopics(topicSettings(config), config.createTopics);
    } catch (error) {
      if (error instanceof MissingTopicError) throw error;
      log.warn(
        `Waiting for the broker (${config.kafkaBrokers?.join(',') ?? 'embedded'}): ${(error as Error).message}`,
      );
      await sleep(BROKER_RETRY_MS, undefined, { signal }).catch(() => {});
    }
  }
}
