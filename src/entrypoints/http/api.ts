import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { CLOUD_EVENT_TYPE } from '../../messages/cloud-events.ts';
import type { Query, ReadStock } from '../../views.ts';
import { CommandIntake } from './command-intake.ts';
import { Doors } from './doors/doors.ts';
import type { DoorSettings } from './doors/settings.ts';
import { EventStream } from './event-stream.ts';
import { isOnAllInterfaces, listenOn } from './listen.ts';
import { type ProbeOptions, probeRoutes } from './probe-routes.ts';
import { addRoute, type Route } from './routes.ts';
import { newFastify } from './server.ts';
import { stockRoutes } from './stock-routes.ts';

/** How long `close` waits for the answers that are under way. */
const CLOSE_TIMEOUT_MS = 2_000;

export interface HttpApiOptions extends ProbeOptions {
  readonly eventsTopic: string;
  readonly query: Query;
  readonly readStock: ReadStock;
  readonly doors: DoorSettings;
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
  readonly #commands: CommandIntake;
  readonly #events: EventStream;
  readonly #answering = new Set<Promise<unknown>>();
  /** An address at which this machine reaches the API. Null: the API does not listen yet. */
  url: string | null = null;
  /** An address at which this machine reaches the probes and metrics. Null: not yet. */
  probesUrl: string | null = null;

  constructor(options: HttpApiOptions) {
    const { broker, commandsTopic, eventsTopic, query, readStock, doors, log } = options;
    this.#commands = new CommandIntake(broker, commandsTopic);
    this.#events = new EventStream(broker, eventsTopic);
    this.#doors = new Doors(doors, log);
    this.#metricsPort = doors.metricsPort;
    const routes = [...this.#commandRoutes(), ...stockRoutes(query, readStock)];
    const probes = probeRoutes(options);
    this.#server = newFastify((listener) => this.#doors.newServer(listener), log);
    this.#acceptOnlyCommands();
    this.#trackAnswers(this.#server);
    if (this.#metricsPort === null) {
      this.#probes = null;
      this.#serve(this.#server, [...routes, ...probes]);
    } else {
      this.#probes = newFastify((listener) => this.#doors.newProbeServer(listener), log);
      this.#serve(this.#server, routes);
      this.#serve(this.#probes, probes);
    }
  }

  #commandRoutes(): readonly Route[] {
    return [
      {
        method: 'POST',
        url: '/commands',
        access: 'publish',
        onRequest: (request, reply) => this.#commands.admit(request, reply),
        handler: (request, reply) => this.#commands.accept(request, reply),
      },
      {
        method: 'GET',
        url: '/events',
        access: 'read',
        // A HEAD of an endless answer would never end.
        hasHead: false,
        handler: (request, reply) => this.#events.serve(request, reply),
      },
    ];
  }

  #serve(server: FastifyInstance, routes: readonly Route[]): void {
    this.#doors.protect(server, (hooksOf) => {
      for (const route of routes) addRoute(server, route, hooksOf);
    });
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

  /** Accepts bodies of the two content types of a command, as bytes. */
  #acceptOnlyCommands(): void {
    this.#server.removeAllContentTypeParsers();
    for (const type of ['application/json', CLOUD_EVENT_TYPE]) {
      this.#server.addContentTypeParser(type, { parseAs: 'buffer' }, (_request, body, done) =>
        done(null, body),
      );
    }
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
      const answers = Promise.all([this.#events.close(), ...this.#answering]);
      await Promise.race([answers, sleep(CLOSE_TIMEOUT_MS, undefined, { ref: false })]);
    });
  }
}
