import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { AllocationError } from '../../domain/errors.ts';
import { CLOUD_EVENT_TYPE, NAME } from '../../messages/cloud-events.ts';
import { MAX_COMMAND_BYTES } from '../../messages/incoming.ts';
import type { Broker } from '../../service-layer/broker.ts';
import {
  allocationsOf,
  batchView,
  orderView,
  productView,
  type Query,
  type ReadStock,
} from '../../views.ts';
import type { Metrics } from '../metrics.ts';
import { CommandIntake } from './command-intake.ts';
import { EventStream } from './event-stream.ts';
import {
  answerProblem,
  PROBLEMS,
  problemOf,
  REQUEST_TIMEOUT_MS,
  refuseConnection,
} from './problem.ts';
import { readinessProblems } from './readiness.ts';
import { addRoute, pathOf, type Route } from './routes.ts';

/** How long `close` waits for the answers that are under way. */
const CLOSE_TIMEOUT_MS = 2_000;
/** The length of a name of 255 characters, each with four bytes, percent-encoded. */
const MAX_ENCODED_NAME = 255 * 4 * 3;

export interface HttpApiOptions {
  readonly broker: Broker;
  readonly commandsTopic: string;
  readonly eventsTopic: string;
  readonly query: Query;
  readonly readStock: ReadStock;
  readonly metrics: Metrics;
  /** What keeps the service from answering commands. Empty: nothing does. */
  readonly problems: () => readonly string[];
  /** Why this process stands by while another one works; null: it has its share of the work. */
  readonly standby: () => string | null;
  readonly log: Logger;
}

/** The API cannot listen on its address. */
export class ListenError extends AllocationError {
  override readonly code = 'listen';
}

/**
 * Serves HTTP: takes commands in, and answers questions about what they led to. Errors are
 * `application/problem+json` (RFC 9457).
 */
export class HttpApi {
  readonly #options: HttpApiOptions;
  readonly #server: FastifyInstance;
  readonly #commands: CommandIntake;
  readonly #events: EventStream;
  readonly #answering = new Set<Promise<unknown>>();
  /** An address at which this machine reaches the API. Null: the API does not listen yet. */
  url: string | null = null;

  constructor(options: HttpApiOptions) {
    this.#options = options;
    this.#commands = new CommandIntake(options.broker, options.commandsTopic);
    this.#events = new EventStream(options.broker, options.eventsTopic);
    this.#server = this.#newServer();
    this.#acceptOnlyCommands();
    this.#trackAnswers();
    for (const route of this.#routes) addRoute(this.#server, route);
  }

  get #routes(): readonly Route[] {
    const { query, readStock, metrics } = this.#options;
    return [
      {
        method: 'POST',
        url: '/commands',
        onRequest: (request, reply) => this.#commands.admit(request, reply),
        handler: (request, reply) => this.#commands.accept(request, reply),
      },
      {
        method: 'GET',
        url: '/allocations/:id',
        handler: async ({ params: { id } }, reply) => {
          // No command can have an invalid name, and databases fail on NUL. So do not ask them.
          const allocations = NAME.test(id) ? await allocationsOf(id, query) : [];
          if (allocations.length > 0) return allocations;
          return answerProblem(reply, PROBLEMS.unknownOrder(id));
        },
      },
      {
        method: 'GET',
        url: '/products/:id',
        handler: async ({ params: { id } }, reply) => {
          const product = NAME.test(id) ? await productView(id, query) : null;
          return product ?? answerProblem(reply, PROBLEMS.unknownProduct(id));
        },
      },
      {
        method: 'GET',
        url: '/batches/:id',
        handler: async ({ params: { id } }, reply) => {
          const batch = NAME.test(id) ? await batchView(id, readStock) : null;
          return batch ?? answerProblem(reply, PROBLEMS.unknownBatch(id));
        },
      },
      {
        method: 'GET',
        url: '/orders/:id',
        handler: async ({ params: { id } }, reply) => {
          const order = NAME.test(id) ? await orderView(id, readStock) : null;
          return order ?? answerProblem(reply, PROBLEMS.unknownOrder(id));
        },
      },
      {
        method: 'GET',
        url: '/events',
        // A HEAD of an endless answer would never end.
        hasHead: false,
        handler: (request, reply) => this.#events.serve(request, reply),
      },
      { method: 'GET', url: '/healthz', handler: () => ({ status: 'alive' }) },
      {
        method: 'GET',
        url: '/readyz',
        handler: async (_request, reply) => {
          const problems = await readinessProblems(this.#options);
          const [code, status] = problems.length === 0 ? [200, 'ready'] : [503, 'not ready'];
          const standby = this.#options.standby() ?? undefined;
          return reply.code(code).send({ status, problems, standby });
        },
      },
      {
        method: 'GET',
        url: '/metrics',
        handler: async (_request, reply) =>
          reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
      },
    ];
  }

  /** @throws {ListenError} */
  async listen(host: string, port: number): Promise<void> {
    try {
      const url = new URL(await this.#server.listen({ host, port }));
      if (this.isOnAllInterfaces) url.hostname = 'localhost';
      this.url = url.origin;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const hint = LISTEN_HINTS.get(code ?? '') ?? 'check HTTP_HOST and HTTP_PORT';
      throw new ListenError(`Cannot listen on ${host}:${port}: ${message} (${hint})`, {
        cause: error,
      });
    }
  }

  /** Whether other machines reach the API too, at every address of this machine. */
  get isOnAllInterfaces(): boolean {
    return this.#server
      .addresses()
      .some((each) => typeof each === 'object' && WILDCARDS.has(each.address));
  }

  /**
   * Takes no more requests, ends the streams, and finishes the answers under way, in bounded time.
   */
  async close(): Promise<void> {
    await this.#server.close();
  }

  #newServer(): FastifyInstance {
    const server = Fastify({
      bodyLimit: MAX_COMMAND_BYTES,
      clientErrorHandler: refuseConnection,
      forceCloseConnections: true,
      frameworkErrors: (error, request, reply) =>
        void this.#answerError(error, request, reply as FastifyReply),
      requestTimeout: REQUEST_TIMEOUT_MS,
      routerOptions: { maxParamLength: MAX_ENCODED_NAME },
    });
    server.setErrorHandler((error: Error, request, reply) =>
      this.#answerError(error, request, reply),
    );
    server.setNotFoundHandler((request, reply) =>
      answerProblem(reply, PROBLEMS.unknownRoute(pathOf(request))),
    );
    return server;
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
  #trackAnswers(): void {
    this.#server.addHook('onRequest', (_request, { raw }, done) => {
      const answered = once(raw, 'close').catch(() => {});
      this.#answering.add(answered);
      void answered.then(() => this.#answering.delete(answered));
      done();
    });
    this.#server.addHook('preClose', async () => {
      const answers = Promise.all([this.#events.close(), ...this.#answering]);
      await Promise.race([answers, sleep(CLOSE_TIMEOUT_MS, undefined, { ref: false })]);
    });
  }

  #answerError(error: Error, { url }: FastifyRequest, reply: FastifyReply): FastifyReply {
    const answer = problemOf(error);
    if (answer === null) this.#options.log.error({ err: error, url }, 'A request failed');
    return answerProblem(reply, answer ?? PROBLEMS.fault());
  }
}

/** The addresses that mean all interfaces. Not every client can connect to them. */
const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

/** What to do when the API cannot listen, by the code of the error. */
const LISTEN_HINTS = new Map([
  ['EACCES', 'set HTTP_PORT to 1024 or higher'],
  ['EADDRINUSE', 'stop the process that listens there, or set HTTP_PORT (0: any free port)'],
  ['EADDRNOTAVAIL', 'set HTTP_HOST to an address of this machine'],
  ['ENOTFOUND', 'set HTTP_HOST to an address of this machine'],
]);
