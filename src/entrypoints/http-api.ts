import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { CLOUD_EVENT_TYPE } from '../messages/cloud-events.ts';
import { commandKey, MAX_COMMAND_BYTES, readCommand } from '../messages/incoming.ts';
import { type Broker, TroubleError } from '../service-layer/unit-of-work.ts';
import { allocationsOf, productView, type Query } from '../views.ts';
import { EventStream } from './event-stream.ts';
import type { Metrics } from './metrics.ts';

const READY_TIMEOUT_MS = 3_000;
const RETRY_AFTER_SECONDS = 2;

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

/** Commands in, and questions about what they led to. Errors are `application/problem+json` (RFC 9457). */
export class HttpApi {
  readonly #options: HttpApiOptions;
  readonly #server: FastifyInstance;
  readonly #events: EventStream;
  /** Where it listens; null until it does. */
  url: string | null = null;

  constructor(options: HttpApiOptions) {
    this.#options = options;
    this.#events = new EventStream(options.broker, options.eventsTopic);
    this.#server = Fastify({ bodyLimit: MAX_COMMAND_BYTES, forceCloseConnections: true, requestTimeout: 30_000 });
    this.#server.removeAllContentTypeParsers();
    const parseAs = 'buffer';
    for (const type of ['application/json', CLOUD_EVENT_TYPE]) {
      this.#server.addContentTypeParser(type, { parseAs }, (_request, body, done) => done(null, body));
    }
    this.#server.setErrorHandler((error, request, reply) => this.#answerError(error as Error & { statusCode?: number }, request, reply));
    this.#server.setNotFoundHandler((request, reply) => problem(reply, 404, `There is no ${request.method} ${request.url.split('?')[0]}`));
    this.#addRoutes();
  }

  /** @throws {ListenError} */
  async listen(host: string, port: number): Promise<void> {
    try {
      this.url = await this.#server.listen({ host, port });
    } catch (error) {
      const hint = 'stop what listens there, or set HTTP_HOST and HTTP_PORT (0: any free port)';
      throw new ListenError(`Cannot listen on ${host}:${port}: ${(error as Error).message} (${hint})`, { cause: error });
    }
  }

  async close(): Promise<void> {
    await this.#events.close();
    await this.#server.close();
  }

  #addRoutes(): void {
    const { query, metrics } = this.#options;
    this.#server.post('/commands', (request, reply) => this.#acceptCommand(request, reply));
    this.#server.get<{ Params: { orderid: string } }>('/allocations/:orderid', async ({ params: { orderid } }, reply) => {
      const allocations = await allocationsOf(orderid, query);
      return allocations.length > 0 ? allocations : problem(reply, 404, `Nothing is allocated to order ${orderid}`);
    });
    this.#server.get<{ Params: { sku: string } }>('/products/:sku', async ({ params: { sku } }, reply) => {
      return (await productView(sku, query)) ?? problem(reply, 404, `No batch of sku ${sku} was ever created`);
    });
    this.#server.get('/events', (_request, reply) => this.#events.serve(reply));
    this.#server.get('/healthz', () => ({ status: 'alive' }));
    this.#server.get('/readyz', async (_request, reply) => {
      const problems = await this.#problems();
      return reply.code(problems.length === 0 ? 200 : 503).send({ status: problems.length === 0 ? 'ready' : 'not ready', problems });
    });
    this.#server.get('/metrics', async (_request, reply) => {
      return reply.type(metrics.registry.contentType).send(await metrics.registry.metrics());
    });
  }

  async #acceptCommand({ headers, body }: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { broker, commandsTopic } = this.#options;
    const message = { value: Buffer.isBuffer(body) ? body : Buffer.alloc(0), headers: asRecordHeaders(headers) };
    const incoming = readCommand(message, '');
    if (incoming.kind === 'unreadable') {
      return problem(reply, incoming.reason === 'too-large' ? 413 : 400, incoming.message, {
        reason: incoming.reason,
        errors: incoming.fields,
      });
    }
    const [place] = await broker.publish(commandsTopic, [{ ...message, key: commandKey(incoming.command) }]);
    if (!place) throw new TroubleError('The log did not say where it put the command');
    const id = incoming.id || `${commandsTopic}/${place.partition}/${place.offset}`;
    return reply.code(202).send({ id, topic: commandsTopic, ...place });
  }

  /** Bounded in time: a database or a broker that hangs is one that does not answer. */
  async #problems(): Promise<readonly string[]> {
    const { query, broker, problems } = this.#options;
    const checks = await Promise.all([answersInTime('The database', query('select 1')), answersInTime('The log', broker.logId())]);
    return [...checks.flat(), ...problems()];
  }

  #answerError(error: Error & { statusCode?: number }, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    if (error instanceof TroubleError) {
      return problem(reply.header('retry-after', RETRY_AFTER_SECONDS), 503, error.message);
    }
    const status = error.statusCode ?? 500;
    if (status === 413) return problem(reply, 413, `A command has at most ${MAX_COMMAND_BYTES} bytes`);
    if (status === 415) return problem(reply, 415, `content-type must be application/json or ${CLOUD_EVENT_TYPE}`);
    if (status < 500) return problem(reply, status, error.message);
    this.#options.log.error({ err: error, url: request.url }, 'A request failed');
    return problem(reply, 500, 'The request failed; the log of the service says why');
  }
}

/** CloudEvents HTTP binding to Kafka binding: `ce-id` becomes `ce_id`, and its percent-encoding is undone. */
function asRecordHeaders(headers: FastifyRequest['headers']): Record<string, string> {
  const record: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value !== 'string') continue;
    if (name.startsWith('ce-')) record[`ce_${name.slice(3)}`] = percentDecoded(value);
    else if (name === 'content-type' || name === 'traceparent') record[name] = value;
  }
  return record;
}

function percentDecoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

async function answersInTime(name: string, answer: Promise<unknown>): Promise<readonly string[]> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no answer within ${READY_TIMEOUT_MS} ms`)), READY_TIMEOUT_MS);
  try {
    await Promise.race([answer, late]);
    return [];
  } catch (error) {
    return [`${name}: ${(error as Error).message}`];
  } finally {
    clearTimeout(timer);
  }
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  404: 'Not Found',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

function problem(reply: FastifyReply, status: number, detail: string, more: object = {}): FastifyReply {
  const body = { type: 'about:blank', title: TITLES[status] ?? 'Error', status, detail: detail.toWellFormed(), ...more };
  // As bytes: to text Fastify would add a charset, which this media type does not have.
  return reply
    .code(status)
    .type('application/problem+json')
    .send(Buffer.from(JSON.stringify(body)));
}
