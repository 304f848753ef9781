import { hostname } from 'node:os';
import type { Logger } from 'pino';
import { Database } from './adapters/database/database.ts';
import { readPauses } from './adapters/database/lanes/lane-pauses.ts';
import {
  countParked,
  type Release,
  releaseParked,
} from './adapters/database/lanes/parked-release.ts';
import { SqlLaneStore } from './adapters/database/lanes/sql-lane-store.ts';
import { refuseMarked } from './adapters/database/replay/rebuild-mark.ts';
import { LogNotifications } from './adapters/log-notifications.ts';
import { Audit } from './audit/audit.ts';
import { localUser } from './audit/local-user.ts';
import type { Config } from './config.ts';
import { openAuditTopic, openBroker, openExamination, openLog } from './connections.ts';
import { FollowedLetters } from './dead-letters/followed-letters.ts';
import { neededTopics, toolOptions } from './doctor/needed-topics.ts';
import { warnOfTopics } from './doctor/topic-warnings.ts';
import { CommandConsumer } from './entrypoints/command-consumer.ts';
import { HttpApi, type HttpApiOptions } from './entrypoints/http/api.ts';
import { refuseOpenDoor } from './entrypoints/http/doors/exposure.ts';
import { readinessProblems } from './entrypoints/http/readiness.ts';
import { LanePauses } from './entrypoints/lane-pauses.ts';
import { LaneReports } from './entrypoints/lane-report.ts';
import { Metrics } from './entrypoints/metrics/metrics.ts';
import { StartStep } from './entrypoints/start-step.ts';
import { Watchdog } from './entrypoints/watchdog.ts';
import type { JobControl } from './jobs/job.ts';
import { Jobs } from './jobs/jobs.ts';
import { LaneControl } from './lanes/lane-control.ts';
import { metricSources } from './metric-sources.ts';
import { packageVersion } from './package-version.ts';
import { RepeatedWarnings } from './repeated-warnings.ts';
import { AutoRecovery } from './replay/auto-recovery.ts';
import { OnlineRecovery } from './replay/online-recovery.ts';
import { recoveryAdvice } from './replay/recovery-advice.ts';
import type { Broker } from './service-layer/broker.ts';
import { describePause } from './service-layer/lane-pause.ts';
import { MessageBus } from './service-layer/message-bus.ts';
import type { Notifications } from './service-layer/notifications.ts';
import { RecentHistory } from './status/recent-history.ts';
import { StatusBoard, type StatusSources } from './status/status-board.ts';
import { allTopicSettings } from './topic-settings.ts';
import { startTracing } from './tracing/start-tracing.ts';
import type { Tracing } from './tracing/tracing.ts';
import type { Query } from './views/query.ts';

/** Replaces parts of the service in tests. */
export interface Overrides {
  readonly clock?: () => Date;
  readonly notifications?: Notifications;
  /** Replaces the message bus, for example to make a handler fail. */
  readonly bus?: MessageBus;
  /** Wraps the log, for example to delay it. */
  readonly broker?: (real: Broker) => Broker;
}

/** The running parts of one service process. */
export interface Service {
  readonly database: Database;
  readonly broker: Broker;
  readonly consumer: CommandConsumer;
  readonly http: HttpApi;
  /** Lists what keeps the service from answering commands, one sentence each. Empty: ready. */
  problems(): readonly string[];
  /** Resolves when this process can never work again. Only a new start helps. */
  readonly died: Promise<Error>;
  /**
   * Opens the HTTP API, waits for PostgreSQL and for the topics, rebuilds a database that is older
   * than the topics (AUTO_RECOVER), and joins the group.
   *
   * @throws {NewerDatabaseError} a newer version has migrated the database
   * @throws {MarkedDatabaseError} the database is being rebuilt, or shows the past
   * @throws {MissingTopicError} a topic is missing, and KAFKA_CREATE_TOPICS is false
   * @throws {ListenError} HTTP_HOST and HTTP_PORT cannot be opened, or a file of the doors is wrong
   */
  start(): Promise<void>;
  /** Finishes the current deliveries and closes everything. Callers may call it during `start`. */
  close(): Promise<void>;
}

/** What every other part of the service works on. */
interface Foundation {
  readonly config: Config;
  readonly log: Logger;
  readonly database: Database;
  readonly broker: Broker;
  /** Null: tracing is off. */
  readonly tracing: Tracing | null;
}

/**
 * Constructs the service from its parts. This is the only place that does. `Service.start` opens
 * PostgreSQL and waits for it. This function opens a SQLite file, because waiting mends no file.
 *
 * @throws {ListenError} HTTP_HOST lets other machines in, and nobody needs a token
 * @throws {DatabaseUnavailableError} a SQLite file cannot be opened or written
 */
export async function bootstrap(
  config: Config,
  log: Logger,
  overrides: Overrides = {},
): Promise<Service> {
  // Before the migrations, which would keep the former version from starting again.
  refuseOpenDoor(config.httpHost, config.httpDoors);
  const database = await Database.unconnected(config.databaseUrl, config.databaseLimits);
  const opening = new StartStep({
    beginning: 'The database is not ready, and the service waits',
    act: () => prepare(database, config),
    log,
  });
  if (database.dialect === 'sqlite') await opening.attempt();
  const broker = (overrides.broker ?? ((real) => real))(await openBroker(config, log));
  const databases = config.kafkaBrokers ? [database] : [database, await openLog(config)];
  const messagingSystem = config.kafkaBrokers ? 'kafka' : 'allocation';
  const tracing = await startTracing(config.tracing, messagingSystem, log);
  const foundation = { config, log, database, broker, tracing };
  const write = openAuditTopic(config, broker);
  const audit = new Audit({ by: localUser(), from: 'service', log, write });
  const recovery = new AutoRecovery({ ...foundation, audit });
  const closing = new AbortController();
  const { mustRecover, onOlder } = endToRecover(config, recovery, closing.signal);
  const pauses = new LanePauses({ read: () => readPauses(database, config.commandsTopic), log });
  const { consumer, metrics, warnings } = createConsumer(foundation, overrides, onOlder, pauses);
  const watchdog = createWatchdog(foundation, consumer);
  const topics = topicsStep(foundation);
  const problems = () => [
    ...[opening.problem ?? topics.problem].filter((problem) => problem !== null),
    ...recovery.problems(),
    ...consumer.problems(),
    ...watchdog.problems(),
  ];
  const preparedDatabase = whenPrepared(database, opening);
  const query: Query = (statement, parameters) => preparedDatabase.read(statement, parameters);
  const lanes = new LaneReports(() => consumer.watchedLanes(), watchdog);
  const letters = new FollowedLetters(broker, config.deadLettersTopic);
  const jobs = new Jobs();
  const auditOf = (by: string) => new Audit({ by, from: 'http', log, write });
  const history = new RecentHistory(() => lanes.now());
  const board = new StatusBoard({
    ...aboutService(foundation),
    readiness: () =>
      readinessProblems({ query, broker, commandsTopic: config.commandsTopic, problems }),
    lanes: () => lanes.now(),
    ranges: () => watchdog.ranges,
    pauses: () => pauses.all,
    members: () => consumer.members(),
    parked: async () => countParked(preparedDatabase),
    deadLetters: () => letters.openLetters(),
    recovery: () => recovery.state,
  });
  const http = createHttpApi(foundation, {
    query,
    metrics,
    problems,
    standby: () => consumer.standby,
    notes: () => [...pauses.all].map(([partition, pause]) => describePause(partition, pause)),
    status: () => board.now(),
    history: () => history.history,
    lanes: new LaneControl({
      database: preparedDatabase,
      topic: config.commandsTopic,
      audit: auditOf,
      heed: () => pauses.refresh(),
    }),
    letters,
    jobs,
    recovery: examinationOf(foundation, opening),
    auditOf,
    release: releaseOf(foundation, opening),
  });
  const sources = { config, database: preparedDatabase, consumer, lanes, letters, http, problems };
  metrics.watch(metricSources(sources));
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
      sayWhere(http, config, log);
      await opening.run(closing.signal);
      await topics.run(closing.signal);
      if (closing.signal.aborted) return;
      void examineTopics(foundation, closing.signal);
      watchdog.start();
      warnings.start();
      history.start();
      if (config.autoRecover) recovering = recovery.run(closing.signal);
      await recovering;
      if (closing.signal.aborted) return;
      pauses.start();
      await consumer.start();
    },
    async close() {
      closing.abort();
      watchdog.close();
      history.close();
      pauses.close();
      await http.close();
      await jobs.close();
      await letters.close();
      await recovering;
      await consumer.close();
      warnings.close();
      await broker.close();
      await database.close();
      await tracing?.stop();
    },
  };
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

/**
 * Decides whether the process must end because its database has become older than the topics.
 *
 * @returns `mustRecover`: resolves if the next start rebuilds the database
 */
function endToRecover(config: Config, recovery: AutoRecovery, signal: AbortSignal) {
  const { promise: mustRecover, resolve } = Promise.withResolvers<Error>();
  const decide = async (cause: Error) => {
    // If the next start did not rebuild the database, the process would end again and again.
    if (!config.autoRecover || !(await recovery.isNeeded(signal).catch(() => false))) return;
    const message =
      'The database has become older than the topics. Start the service again: ' +
      'it then rebuilds the database (AUTO_RECOVER)';
    resolve(new Error(message, { cause }));
  };
  return { mustRecover, onOlder: (error: Error) => void decide(error) };
}

function createConsumer(
  { config, log, database, broker, tracing }: Foundation,
  overrides: Overrides,
  onOlder: (error: Error) => void,
  pauses: LanePauses,
) {
  const warnings = new RepeatedWarnings(log);
  const notifications = overrides.notifications ?? new LogNotifications(warnings);
  const metrics = new Metrics();
  const consumer = new CommandConsumer(config.commandsTopic, {
    broker,
    store: new SqlLaneStore(database, (error) =>
      log.error({ err: error }, 'Work after a commit failed. The commit stands'),
    ),
    group: config.groupId,
    recoveryAdvice: () => recoveryAdvice(database, config),
    onOlder,
    ...(tracing && { tracing }),
    pauses,
    warnings,
    log,
    answering: {
      bus: overrides.bus ?? new MessageBus({ notifications }),
      eventsTopic: config.eventsTopic,
      deadLettersTopic: config.deadLettersTopic,
      parkingLimits: config.parkingLimits,
      strictCommands: config.strictCommands,
      clock: overrides.clock ?? (() => new Date()),
      metrics,
    },
  });
  return { consumer, metrics, warnings };
}

function createWatchdog({ config, log, broker }: Foundation, consumer: CommandConsumer): Watchdog {
  return new Watchdog({
    broker,
    topic: config.commandsTopic,
    group: config.groupId,
    lanes: () => consumer.watchedLanes(),
    log,
  });
}

/** Refuses the database until the step has prepared it, because tables may be missing. */
function whenPrepared(
  database: Database,
  opening: StartStep,
): Pick<Database, 'read' | 'transaction'> {
  return {
    async read(statement, parameters) {
      opening.mustBeDone();
      return database.read(statement, parameters);
    },
    async transaction(work) {
      opening.mustBeDone();
      return database.transaction(work);
    },
  };
}

/** Says what never changes while the process lives. */
function aboutService({ config, database }: Foundation): Pick<StatusSources, 'service' | 'self'> {
  const { commandsTopic: commands, eventsTopic: events, deadLettersTopic: deadLetters } = config;
  const host = hostname();
  return {
    service: {
      version: packageVersion(),
      startedAt: new Date().toISOString(),
      broker: config.kafkaBrokers ? 'kafka' : 'embedded',
      database: database.dialect,
      topics: { commands, events, deadLetters },
    },
    self: { instance: config.instanceId ?? `${host}/${process.pid}`, host },
  };
}

/** Lets operators examine the database while the service runs. */
function examinationOf({ database, broker, config }: Foundation, opening: StartStep) {
  const mustBePrepared = () => opening.mustBeDone();
  const examination = new OnlineRecovery({ database, broker, config, mustBePrepared });
  return {
    verify: (job: JobControl) => examination.verify(job),
    plan: () => examination.plan(),
  };
}

/** Tells the database what an operator has decided about parked commands. */
function releaseOf({ database, log }: Foundation, opening: StartStep) {
  return async (release: Release): Promise<void> => {
    opening.mustBeDone();
    if (await releaseParked(database, release)) return;
    log.warn(
      'The database knows none of the commands that an operator redrives or discards: ' +
        'check that DATABASE_URL is the database in which they are parked',
    );
  };
}

function createHttpApi(
  { config, log, broker, tracing }: Foundation,
  parts: Omit<
    HttpApiOptions,
    | 'broker'
    | 'commandsTopic'
    | 'eventsTopic'
    | 'deadLettersTopic'
    | 'auditTopic'
    | 'group'
    | 'doors'
    | 'log'
  >,
): HttpApi {
  return new HttpApi({
    ...parts,
    broker,
    commandsTopic: config.commandsTopic,
    eventsTopic: config.eventsTopic,
    deadLettersTopic: config.deadLettersTopic,
    auditTopic: config.auditTopic,
    group: config.groupId,
    doors: config.httpDoors,
    ...(tracing && { tracing }),
    log,
  });
}

function sayWhere(http: HttpApi, { httpDoors, httpHost }: Config, log: Logger): void {
  const where = `${http.url}${http.isOnAllInterfaces ? ', and on all interfaces' : ''}`;
  log.info({ url: http.url }, `The HTTP API listens on ${where}`);
  if (http.probesUrl !== http.url)
    log.info({ url: http.probesUrl }, `Probes and metrics listen on ${http.probesUrl}`);
  if (httpDoors.isOpen)
    log.warn(`HTTP_AUTH=none: everybody who reaches ${httpHost} may use the HTTP API`);
}

/** Waits for the topics, and creates the missing ones if KAFKA_CREATE_TOPICS allows it. */
function topicsStep({ broker, config, log }: Foundation): StartStep {
  const topics = allTopicSettings(config);
  return new StartStep({
    beginning: `Waiting for the broker (${config.kafkaBrokers?.join(',') ?? 'embedded'})`,
    act: () => broker.ensureTopics(topics, config.createTopics),
    log,
  });
}

/** Warns of risky settings of the topics, while the start goes on. Never rejects. */
async function examineTopics({ config, log }: Foundation, signal: AbortSignal): Promise<void> {
  const kafka = openExamination(config, log);
  if (!kafka) return;
  const close = () => kafka.close();
  signal.addEventListener('abort', close, { once: true });
  const topics = neededTopics(config, allTopicSettings(config));
  await warnOfTopics(kafka, topics, toolOptions(config), log);
  signal.removeEventListener('abort', close);
  close();
}
