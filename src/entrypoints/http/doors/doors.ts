import type { RequestListener, Server } from 'node:http';
import type { Server as SecureServer } from 'node:https';
import plugin from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { answerProblem, PROBLEMS } from '../problem.ts';
import type { Access } from './access.ts';
import { Certificate } from './certificate.ts';
import { Guard } from './guard.ts';
import { newSecureServer, newServer } from './listener.ts';
import { Oidc } from './oidc.ts';
import { rateLimit } from './rate-limit.ts';
import { RefusalLog } from './refusal-log.ts';
import { ONLY_HTTPS, SECURITY_HEADERS, setHeaders } from './security-headers.ts';
import type { DoorSettings } from './settings.ts';
import { TokenList } from './token-list.ts';
import { Visitors } from './visitors.ts';

/** Bounds the requests for probes and metrics, which need no token and cost more than they show. */
const MAX_OPEN_REQUESTS_PER_SECOND = 200;

/** A hook that runs before the body is read. Its answer ends the request. */
export type Hook = (
  request: FastifyRequest,
  reply: FastifyReply,
) => Promise<FastifyReply | undefined>;

/** Makes the hooks of a route that takes this access. */
export type HooksOf = (access: Access) => readonly Hook[];

/** Decides who may enter the HTTP API, and how much of it one client may take. */
export class Doors {
  readonly #settings: DoorSettings;
  readonly #log: Logger;
  readonly #visitors: Visitors;
  readonly #tokens: TokenList | null;
  readonly #oidc: Oidc | null;
  readonly #guard: Guard | null;
  readonly #certificate: Certificate | null;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(settings: DoorSettings, log: Logger) {
    const { tokensFile, oidc, tls, publicUrls } = settings;
    this.#settings = settings;
    this.#log = log;
    this.#visitors = new Visitors(publicUrls);
    this.#tokens = tokensFile === null ? null : new TokenList(tokensFile, log);
    this.#oidc = oidc === null ? null : new Oidc(oidc, log);
    const sources = [this.#tokens, this.#oidc].filter((source) => source !== null);
    this.#guard = sources.length > 0 ? new Guard(sources) : null;
    this.#certificate = tls === null ? null : new Certificate(tls, log);
    const isHttps = publicUrls.some(({ protocol }) => protocol === 'https:');
    this.#headers = { ...SECURITY_HEADERS, ...(isHttps && ONLY_HTTPS) };
  }

  /** Makes the server of the API, which is not listening yet. */
  newServer(listener: RequestListener): Server | SecureServer {
    if (this.#certificate === null) return this.newProbeServer(listener);
    return newSecureServer(this.#withHeaders(listener));
  }

  /** Makes a server of plain HTTP for probes, which is not listening yet. */
  newProbeServer(listener: RequestListener): Server {
    return newServer(this.#withHeaders(listener));
  }

  /** The server itself sets the headers, because not every answer comes from a route. */
  #withHeaders(listener: RequestListener): RequestListener {
    return (request, response) => {
      setHeaders(response, this.#headers);
      listener(request, response);
    };
  }

  get protocol(): 'http:' | 'https:' {
    return this.#certificate === null ? 'http:' : 'https:';
  }

  /**
   * Reads the tokens and the certificate, before the server listens on the host.
   * @throws {ListenError} a file cannot be used
   */
  async open(server: Server | SecureServer): Promise<void> {
    await this.#tokens?.open();
    if (this.#certificate && 'setSecureContext' in server) await this.#certificate.open(server);
    void this.#oidc?.open();
  }

  close(): void {
    this.#tokens?.close();
    this.#oidc?.close();
    this.#certificate?.close();
  }

  /**
   * Adds the checks of every request, then lets the caller add routes with the hooks of their
   * access. Call this before `listen`.
   */
  protect(server: FastifyInstance, addRoutes: (hooksOf: HooksOf) => void): void {
    const refusals = new RefusalLog(this.#log);
    server.decorateRequest('caller', null);
    server.decorateRequest('callerRole', null);
    server.addHook('onRequest', async ({ method, headers, raw }, reply) => {
      if (headers.host === undefined && raw.httpVersion !== '1.0')
        return answerProblem(reply, PROBLEMS.noHost());
      if (!this.#visitors.knowsHost(headers.host))
        return answerProblem(reply, PROBLEMS.unknownHost(headers.host ?? ''));
      if (this.#visitors.isFromForeignPage(method, headers))
        return answerProblem(reply, PROBLEMS.foreignPage());
      return undefined;
    });
    server.addHook('onResponse', async (request, reply) => refusals.note(request, reply));
    void server.register(plugin, { global: false }).after(() => {
      const hooksOf = this.#hooksFor(server);
      const [ofUnknown] = hooksOf('open');
      server.addHook('onRequest', async (request, reply) =>
        request.is404 ? ofUnknown?.(request, reply) : undefined,
      );
      addRoutes(hooksOf);
    });
  }

  #hooksFor(server: FastifyInstance): HooksOf {
    const ofApi = rateLimit(server, this.#settings.requestsPerSecond);
    const guard = this.#guard;
    return (access) => {
      // Each open route has a count of its own: a flood of one must not stop the probes of another.
      if (access === 'open') return [rateLimit(server, MAX_OPEN_REQUESTS_PER_SECOND)];
      return guard === null ? [ofApi] : [ofApi, guard.admit(access)];
    };
  }
}
