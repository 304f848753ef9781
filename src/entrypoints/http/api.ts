import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { isRedriveSource, REDRIVE_SOURCE, sourceOf } from '../../domain/identity.ts';
import { CLOUD_EVENT_TYPE, NAME } from '../../messages/cloud-events.ts';
import {
  commandKey,
  FRONT_DOOR_PARTITION,
  MAX_COMMAND_BYTES,
  readCommand,
} from '../../messages/incoming.ts';
import type { Broker } from '../../service-layer/broker.ts';
import { TroubleError } from '../../service-layer/errors.ts';
import { allocationsOf, productView, type Query } from '../../views.ts';
import { ByteBudget, MEMORY_BUDGET_BYTES } from '../memory-budget.ts';
import type { Metrics } from '../metrics.ts';
import { asRecordHeaders } from './binding.ts';
import { EventStream } from './event-stream.ts';
import { problem, refuseConnection } from './problem.ts';

const READY_TIMEOUT_MS = 3_000;
const RETRY_AFTER_SECONDS = 2;
/** How long `close` waits for the answers that are under way. */
const CLOSE_TIMEOUT_MS = 2_000;
/** What a request takes besides its body: sockets and parsed headers, an upper bound. */
const REQUEST_BYTES = 16 * 1024;
/** A name's 255 characters, each four bytes, percent-encoded. */
const MAX_ENCODED_NAME = 255 * 4 * 3;

export interface HttpApiOptions {
  readonly broker: Broker;
  readonly commandsTopic: string;
  readonly eventsTopic: string;
  readonly query: Query;
  readonly metrics: Metrics;
  /** What keeps the service from answering commands; empty: nothing. */
  readonly problems: () => readonly string[];
  readonly log: Logger;
}

/** The address is taken, or not ours. */
export class ListenError extends Error {
  readonly code = 'listen';
}

interface RouteOptions {
  /** Whether there is a HEAD of it. */
  readonly head?: boolean;
  /** Runs before the body is read. */
  readonly onRequest?: (
    request: FastifyRequest,
    reply: FastifyReply,
  ) => Promise<FastifyReply | undefined>;
}

type Handler = (
  request: FastifyRequest<{ Params: { id: string } }>,
  reply: FastifyReply,
) => unknown;

/** Commands in, and questions about what they led to. Errors are `application/problem+json` (RFC 9457). */
export class HttpApi {
  readonly #options: HttpApiOptions;
  readonly #server: FastifyInstance;
  readonly #events: EventStream;
  readonly #answering = new Set<Promise<unknown>>();
  readonly #commands = new ByteBudget(MEMORY_BUDGET_BYTES.http);
  /** Where it listens; null until it does. */
  url: string | null = null;

  constructor(options: HttpApiOptions) {
    this.#options = options;
    this.#events = new EventStream(options.broker, options.eventsTopic);
    this.#server = Fastify({
      bodyLimit: MAX_COMMAND_BYTES,
      clientErrorHandler: refuseConnection,
      forceCloseConnections: true,
      frameworkErrors: (error, request, reply) =>
        void this.#answerError(error, request.url, reply as FastifyReply),
      requestTimeout: 30_000,
      routerOptions: { maxParamLength: MAX_ENCODED_NAME },
    });
    this.#server.removeAllContentTypeParsers();
    const parseAs = 'buffer';
    for (const type of ['application/json', CLOUD_EVENT_TYPE]) {
      this.#server.addContentTypeParser(type, { parseAs }, (_request, body, done) =>
        done(null, body),
      );
    }
    this.#server.setErrorHandler((error: Error, request, reply) =>
      this.#answerError(error, request.url, reply),
    );
    this.#server.setNotFoundHandler((request, reply) =>
      problem(reply, 404, `There is no ${request.url.split('?')[0]}`),
    );
    this.#server.addHook('onRequest', (_request, { raw }, done) => {
      const answered = once(raw, 'close').catch(() => {});
      this.#answering.add(answered);
      void answered.then(() => this.#answering.delete(answered));
      done();
    });
    this.#server.addHook('preClose', () => this.#finish());
    this.#addRoutes();
  }

  /** @throws {ListenError} */
  async listen(host: string, port: number): Promise<void> {
    try {
      this.url = await this.#server.listen({ host, port });
    } catch (error) {
      const hint = 'stop what listens there, or set HTTP_HOST and HTTP_PORT (0: any free port)';
      throw new ListenError(
        `Cannot listen on ${host}:${port}: ${(error as Error).message} (${hint})`,
        { cause: error },
      );
    }
  }

  /** Takes no more requests, ends the streams, finishes the answers that are under way. Bounded in time. */
  async close(): Promise<void> {
    await this.#server.close();
  }

  async #finish(): Promise<void> {
    const finished = Promise.all([this.#events.close(), ...this.#answering]);
    await Promise.race([finished, sleep(CLOSE_TIMEOUT_MS, undefined, { ref: false })]);
  }

  #addRoutes(): void {
    const { query, metrics } = this.#options;
    this.#route('POST', '/commands', (request, reply) => this.#acceptCommand(request, reply), {
      onRequest: async (request, reply) => this.#admit(request, reply),
    });
    // No command could have named it otherwise; the databases, for their part, choke on NUL.
    this.#route('GET', '/allocations/:id', async ({ params: { id } }, reply) => {
      const allocations = NAME.test(id) ? await allocationsOf(id, query) : [];
      return allocations.length > 0
        ? allocations
        : problem(reply, 404, `Nothing is allocated to order ${id}`);
    });
    this.#route('GET', '/products/:id', async ({ params: { id } }, reply) => {
      const product = NAME.test(id) ? await productView(id, query) : null;
      return product ?? problem(reply, 404, `No batch of sku ${id} was ever created`);
    });
    // A HEAD of what never ends would never end.
    this.#route('GET', '/events', (_request, reply) => this.#events.serve(reply), { head: false });
    this.#route('GET', '/healthz', () => ({ status: 'alive' }));
    this.#route('GET', '/readyz', async (_request, reply) => {
      const problems = await this.#problems();
      return reply
        .code(problems.length === 0 ? 200 : 503)
        .send({ status: problems.length === 0 ? 'ready' : 'not ready', problems });
    });
    this.#route('GET', '/metrics', async (_request, reply) => {
      return reply.type(metrics.registry.contentType).send(await metrics.registry.metrics());
    });
  }

  /** Adds the route, and 405 for every other method. */
  #route(
    method: 'GET' | 'POST',
    url: string,
    handler: Handler,
    { head = method === 'GET', onRequest }: RouteOptions = {},
  ): void {
    this.#server.route({
      method,
      url,
      handler,
      exposeHeadRoute: head,
      ...(onRequest && { onRequest }),
    });
    const allowed = head ? [method, 'HEAD'] : [method];
    const refuse = async (request: FastifyRequest, reply: FastifyReply) =>
      problem(
        reply.header('allow', allowed.join(', ')),
        405,
        `${request.method} is not possible here, only ${allowed.join(' and ')}`,
      );
    const others = this.#server.supportedMethods.filter((each) => !allowed.includes(each));
    // Before the body is read: whatever it is, the method is what is wrong.
    this.#server.route({ method: others, url, onRequest: refuse, handler: refuse });
  }

  /** Refuses a command before its body is read, while those before it wait for the log. */
  #admit({ headers }: FastifyRequest, reply: FastifyReply): FastifyReply | undefined {
    if (this.#commands.isExceeded) {
      const detail = 'Too many commands wait for the log already: send this one again later';
      return problem(reply.header('retry-after', RETRY_AFTER_SECONDS), 503, detail);
    }
    const bytes =
      REQUEST_BYTES +
      Math.min(Number(headers['content-length'] ?? MAX_COMMAND_BYTES), MAX_COMMAND_BYTES);
    this.#commands.hold(bytes);
    reply.raw.once('close', () => this.#commands.release(bytes));
    return undefined;
  }

  async #acceptCommand(
    { headers, body, raw }: FastifyRequest,
    reply: FastifyReply,
  ): Promise<unknown> {
    const encoding = headers['content-encoding'] ?? 'identity';
    if (encoding !== 'identity')
      return problem(
        reply,
        415,
        `content-encoding ${encoding} is not supported: send the command as it is`,
      );
    const message = {
      value: Buffer.isBuffer(body) ? body : Buffer.alloc(0),
      headers: asRecordHeaders(raw),
    };
    const incoming = readCommand(message, '');
    if (incoming.kind === 'unreadable') {
      const { reason, message: detail, fields: errors } = incoming;
      return problem(reply, reason === 'too-large' ? 413 : 400, detail, { reason, errors });
    }
    if (isRedriveSource(sourceOf(incoming.identity))) {
      const detail = `source ${REDRIVE_SOURCE} is the service's own, for "dead-letters redrive": use another one`;
      return problem(reply, 400, detail, { reason: 'malformed', errors: [] });
    }
    const { broker, commandsTopic } = this.#options;
    try {
      const [place] = await broker.publish(commandsTopic, [
        { ...message, key: commandKey(incoming.command), partition: FRONT_DOOR_PARTITION },
      ]);
      if (!place) throw new TroubleError('The log did not say where it put the command');
      const id = incoming.id || `${commandsTopic}/${place.partition}/${place.offset}`;
      return reply.code(202).send({ id, topic: commandsTopic, ...place });
    } catch (error) {
      // The topic takes less than a command may have: somebody else created it.
      if (error instanceof RangeError) return problem(reply, 413, error.message);
      throw error;
    }
  }

  /** Bounded in time: a database or a broker that hangs is one that does not answer. */
  async #problems(): Promise<readonly string[]> {
    const { query, broker, commandsTopic, problems } = this.#options;
    const checks = await Promise.all([
      answersInTime('The database', query('select 1')),
      answersInTime('The log', broker.logId(commandsTopic)),
    ]);
    return [...checks.flat(), ...problems()];
  }

  #answerError(
    error: Error & { statusCode?: number },
    url: string,
    reply: FastifyReply,
  ): FastifyReply {
    if (error instanceof TroubleError) {
      return problem(reply.header('retry-after', RETRY_AFTER_SECONDS), 503, error.message);
    }
    const status = error.statusCode ?? 500;
    if (status === 413)
      return problem(reply, 413, `A command has at most ${MAX_COMMAND_BYTES} bytes`);
    if (status === 415)
      return problem(reply, 415, `content-type must be application/json or ${CLOUD_EVENT_TYPE}`);
    if (status < 500) return problem(reply, status, error.message);
    this.#options.log.error({ err: error, url }, 'A request failed');
    return problem(reply, 500, 'The request failed; the log of the service says why');
  }
}

async function answersInTime(name: string, answer: Promise<unknown>): Promise<readonly string[]> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`no answer within ${READY_TIMEOUT_MS} ms`)),
    READY_TIMEOUT_MS,
  );
  try {
    await Promise.race([answer, late]);
    return [];
  } catch (error) {
    return [`${name}: ${(error as Error).message}`];
  } finally {
    clearTimeout(timer);
  }
}
