import type { Logger } from 'pino';
import type { Database } from './adapters/database/database.ts';
import type { Config } from './config.ts';
import type { CommandConsumer } from './entrypoints/command-consumer.ts';
import type { HttpApi } from './entrypoints/http/api.ts';
import { refuseOpenDoor } from './entrypoints/http/doors/exposure.ts';
import type { StartStep } from './entrypoints/start-step.ts';
import { type Foundation, type Overrides, openFoundation } from './foundation.ts';
import { createHttpParts, type HttpParts } from './http-parts.ts';
import { createLaneParts, type LaneParts } from './lane-parts.ts';
import type { Broker } from './service-layer/broker.ts';
import { examineTopicsAtStart, sayWhere, topicsStep } from './start-steps.ts';

/** The running parts of one service process. */
export interface Service {
  readonly database: Database;
  readonly broker: Broker;
  readonly consumer: CommandConsumer;
  readonly http: HttpApi;
  /** Lists what keeps the service from answering commands, one sentence each. Empty: ready. */
  problems(): readonly string[];
  /** Resolves when this process can never work again. Only a new start helps. */
  readonly fatalError: Promise<Error>;
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

/** All parts of the service. */
interface Parts {
  readonly foundation: Foundation;
  readonly lanes: LaneParts;
  readonly forHttp: HttpParts;
  /** Waits for the topics. */
  readonly topics: StartStep;
  /** Aborts when the service closes. */
  readonly closing: AbortController;
  /** Resolves when AUTO_RECOVER touches nothing any more. */
  recovering: Promise<void>;
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
  // Refuse before the migrations. After them, the former version could not start again.
  refuseOpenDoor(config.httpHost, config.httpDoors);
  const foundation = await openFoundation(config, log, overrides);
  const { database, broker, databases, opening } = foundation;
  const closing = new AbortController();
  const lanes = createLaneParts(foundation, overrides, closing.signal);
  const { consumer, recovery, watchdog } = lanes;
  const topics = topicsStep(foundation);
  const problems = () => [
    ...[opening.problem ?? topics.problem].filter((problem) => problem !== null),
    ...recovery.problems(),
    ...consumer.problems(),
    ...watchdog.problems(),
  ];
  const forHttp = createHttpParts(foundation, lanes, problems);
  const recovering = Promise.resolve();
  const parts: Parts = { foundation, lanes, forHttp, topics, closing, recovering };
  return {
    database,
    broker,
    consumer,
    http: forHttp.http,
    problems,
    fatalError: Promise.race([
      consumer.fatalError,
      lanes.mustRecover,
      ...databases.map(({ fatalError }) => fatalError),
    ]),
    start: () => start(parts),
    close: () => close(parts),
  };
}

async function start(parts: Parts): Promise<void> {
  const { foundation, lanes, forHttp, topics, closing } = parts;
  const { config, log, opening } = foundation;
  const { signal } = closing;
  await forHttp.http.listen(config.httpHost, config.httpPort);
  sayWhere(forHttp.http, config, log);
  await opening.run(signal);
  await topics.run(signal);
  if (signal.aborted) return;
  void examineTopicsAtStart(foundation, signal);
  lanes.watchdog.start();
  lanes.warnings.start();
  forHttp.history.start();
  if (config.autoRecover) parts.recovering = lanes.recovery.run(signal);
  await parts.recovering;
  if (signal.aborted) return;
  lanes.pauses.start();
  lanes.age.start();
  await lanes.consumer.start();
}

async function close(parts: Parts): Promise<void> {
  const { foundation, lanes, forHttp, closing } = parts;
  closing.abort();
  lanes.watchdog.close();
  forHttp.history.close();
  lanes.pauses.close();
  lanes.age.close();
  await forHttp.http.close();
  await forHttp.jobs.close();
  await forHttp.letters.close();
  await parts.recovering;
  await lanes.consumer.close();
  lanes.warnings.close();
  await foundation.broker.close();
  await foundation.database.close();
  await foundation.tracing?.stop();
}
