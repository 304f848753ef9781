import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { MAX_COMMAND_BYTES } from '../../messages/read-command.ts';
import { packageVersion } from '../../package-version.ts';
import { traceRequests } from '../../tracing/request-traces.ts';
import type { Tracing } from '../../tracing/tracing.ts';
import type { Query } from '../../views/query.ts';
import type { HttpMetrics } from '../metrics/http-metrics.ts';
import { auditRoutes } from './audit-routes.ts';
import { CommandRoutes } from './command-routes.ts';
import { BATCH_TYPES, MAX_BATCH_BYTES, SINGLE_TYPES } from './content-types.ts';
import { docsRoutes } from './docs-routes.ts';
import { Doors } from './doors/doors.ts';
import type { DoorSettings } from './doors/settings.ts';
import { EventStream } from './event-stream.ts';
import { jobRoutes } from './job-routes.ts';
import { type LetterActsOptions, letterActRoutes } from './letter-act-routes.ts';
import { letterRoutes } from './letter-routes.ts';
import { isOnAllInterfaces, listenOn } from './listen.ts';
import { listingRoutes } from './listing-routes.ts';
import type { OpenApiDocument } from './openapi/described-api.ts';
import { collectRoutes, documentOf } from './openapi/document.ts';
import { EVENTS_OPERATION } from './openapi/service-operations.ts';
import { pageRoutes } from './page-routes.ts';
import { type ProbeOptions, probeRoutes } from './probe-routes.ts';
import { ReadIntake } from './read-intake.ts';
import { type RecoveryOptions, recoveryRoutes } from './recovery-routes.ts';
import { addRoute, type Route } from './routes.ts';
import { schemaRoutes } from './schema-routes.ts';
import { newFastify } from './server.ts';
import { type StatusOptions, statusRoutes } from './status-routes.ts';
import { stockRoutes } from './stock-routes.ts';
import { wayRoutes } from './way-routes.ts';

/** How long `close` waits for the answers that are under way. */
const CLOSE_TIMEOUT_MS = 2_000;

export interface HttpApiOptions
  extends ProbeOptions,
    StatusOptions,
    LetterActsOptions,
    RecoveryOptions {
  readonly group: string;
  readonly eventsTopic: string;
  readonly deadLettersTopic: string;
  /** Null: no topic records the acts of operators. */
  readonly auditTopic: string | null;
  readonly query: Query;
  readonly doors: DoorSettings;
  /** Absent: tracing is off. */
  readonly tracing?: Tracing;
  readonly log: Logger;
}

/**
 * Serves HTTP: takes commands in, and answers questions about what they led to. Errors are
 * `application/problem+json` (RFC 9457).
 */
export class HttpApi {
  readonly #doors: Doors;
  readonly #server: FastifyInstance;
  /** Serves probes and metrics on a port of their own. Null: the API serves them too. */
  readonly #probes: FastifyInstance | null;
  readonly #metricsPort: number | null;
  readonly #commands: CommandRoutes;
  readonly #events: EventStream;
  readonly #metrics: HttpMetrics;
  readonly #answering = new Set<Promise<unknown>>();
  /** An address at which this machine reaches the API. Null: the API does not listen yet. */
  url: string | null = null;
  /** An address at which this machine reaches the probes and metrics. Null: not yet. */
  probesUrl: string | null = null;

  constructor(options: HttpApiOptions) {
    const { broker, eventsTopic, query, doors, log } = options;
    this.#commands = new CommandRoutes(options);
    this.#events = new EventStream(broker, eventsTopic);
    this.#metrics = options.metrics.http;
    this.#doors = new Doors(doors, log);
    this.#metricsPort = doors.metricsPort;
    const reads = new ReadIntake();
    const routes = [
      ...this.#commands.routes,
      this.#eventsRoute(),
      ...listingRoutes(query, reads),
      ...stockRoutes(query, reads),
      ...wayRoutes(options, query),
      ...statusRoutes(options),
      ...letterRoutes(options),
      ...letterActRoutes(options),
      ...jobRoutes(options.jobs),
      ...recoveryRoutes(options),
      ...auditRoutes(broker, options.auditTopic),
      ...docsRoutes(() => documentOf(this.#server)),
      ...schemaRoutes(),
      ...pageRoutes(),
    ];
    const probes = probeRoutes(options);
    this.#server = newFastify((listener) => this.#doors.newServer(listener), log);
    collectRoutes(this.#server, packageVersion());
    this.#acceptOnlyCommands();
    this.#trackAnswers(this.#server);
    if (options.tracing) traceRequests(this.#server, options.tracing);
    if (this.#metricsPort === null) {
      this.#probes = null;
      this.#serve(this.#server, [...routes, ...probes]);
    } else {
      this.#probes = newFastify((listener) => this.#doors.newProbeServer(listener), log);
      this.#serve(this.#server, routes);
      this.#serve(this.#probes, probes);
    }
  }

  #eventsRoute(): Route {
    return {
      method: 'GET',
      url: '/events',
      access: 'read',
      operation: EVENTS_OPERATION,
      // A HEAD of an endless answer would never end.
      hasHead: false,
      handler: (request, reply) => this.#events.serve(request, reply),
    };
  }

  #serve(server: FastifyInstance, routes: readonly Route[]): void {
    server.addHook('onResponse', async (request, reply) => this.#metrics.note(request, reply));
    this.#doors.protect(server, (hooksOf) => {
      for (const route of routes) addRoute(server, route, hooksOf);
    });
  }

  /** Describes the routes on the port of the API in OpenAPI. The API need not listen for this. */
  async describe(): Promise<OpenApiDocument> {
    await this.#server.ready();
    return documentOf(this.#server);
  }

  /** Opens the doors and listens. @throws {ListenError} an address or a file cannot be used */
  async listen(host: string, port: number): Promise<void> {
    await this.#doors.open(this.#server.server);
    const url = await listenOn(this.#server, host, { port, setting: 'HTTP_PORT' });
    url.protocol = this.#doors.protocol;
    this.url = url.origin;
    if (this.#probes === null || this.#metricsPort === null) {
      this.probesUrl = this.url;
      return;
    }
    const place = { port: this.#metricsPort, setting: 'METRICS_PORT' };
    this.probesUrl = (await listenOn(this.#probes, host, place)).origin;
  }

  /** How many clients read `GET /events`. */
  get eventStreams(): number {
    return this.#events.clientCount;
  }

  /** Whether other machines reach the API too, at every address of this machine. */
  get isOnAllInterfaces(): boolean {
    return isOnAllInterfaces(this.#server);
  }

  /**
   * Takes no more requests, ends the streams, and finishes the answers under way, in bounded time.
   */
  async close(): Promise<void> {
    await this.#server.close();
    await this.#probes?.close();
    this.#doors.close();
  }

  /** Accepts the content types of a command and of a batch, as bytes. */
  #acceptOnlyCommands(): void {
    this.#server.removeAllContentTypeParsers();
    const accept = (types: readonly string[], bodyLimit: number) =>
      this.#server.addContentTypeParser(
        [...types],
        { parseAs: 'buffer', bodyLimit },
        (_request, body, done) => done(null, body),
      );
    accept(SINGLE_TYPES, MAX_COMMAND_BYTES);
    accept(BATCH_TYPES, MAX_BATCH_BYTES);
  }

  /** Makes `close` wait for the answers that are under way. */
  #trackAnswers(server: FastifyInstance): void {
    server.addHook('onRequest', (_request, { raw }, done) => {
      const answered = once(raw, 'close').catch(() => {});
      this.#answering.add(answered);
      void answered.then(() => this.#answering.delete(answered));
      done();
    });
    server.addHook('preClose', async () => {
      this.#commands.close();
      const answers = Promise.all([this.#events.close(), ...this.#answering]);
      await Promise.race([answers, sleep(CLOSE_TIMEOUT_MS, undefined, { ref: false })]);
    });
  }
}
