import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';

/** The pause between two lines, because bad requests must not fill the log. */
const PAUSE_MS = 1_000;
/** The refusals that an operator wants to know of: for a token, a role, a page, a host, a rate. */
const LOGGED = new Set([401, 403, 421, 429]);

/** Logs who was refused at the doors, at most one line a second. */
export class RefusalLog {
  readonly #log: Logger;
  #silentUntilMs = 0;
  #unlogged = 0;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Notes an answer, if it is a refusal. */
  note({ ip, caller, method, routeOptions }: FastifyRequest, { statusCode }: FastifyReply): void {
    if (!LOGGED.has(statusCode)) return;
    if (Date.now() < this.#silentUntilMs) {
      this.#unlogged += 1;
      return;
    }
    this.#silentUntilMs = Date.now() + PAUSE_MS;
    const refused = { status: statusCode, client: ip, caller, method, route: routeOptions.url };
    const more = this.#unlogged > 0 ? `, and ${this.#unlogged} requests before` : '';
    this.#log.warn(refused, `HTTP refused a request with ${statusCode}${more}`);
    this.#unlogged = 0;
  }
}
