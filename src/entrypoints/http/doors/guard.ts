import type { FastifyReply, FastifyRequest } from 'fastify';
import { answerProblem, PROBLEMS } from '../problem.ts';
import { type Caller, InvalidTokenError, includes, type Role, type TokenSource } from './access.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The name of the caller. Null: the request has no valid token. */
    caller: string | null;
    /** The role of the caller. Null: the request has no valid token, or the token has no role. */
    callerRole: Role | null;
  }
}

/** How often the token of a request is checked again while its answer is under way. */
const RECHECK_MS = 5_000;
/** Source: RFC 6750, section 2.1. */
const BEARER = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i;

/** Asks each caller for a bearer token (RFC 6750). */
export class Guard {
  readonly #sources: readonly TokenSource[];

  /** @param sources the sources of tokens, in the order in which the guard asks them */
  constructor(sources: readonly TokenSource[]) {
    this.#sources = sources;
  }

  /** Makes the hook of a route that needs the role. It runs before the body is read. */
  admit(needed: Role) {
    return async (
      request: FastifyRequest,
      reply: FastifyReply,
    ): Promise<FastifyReply | undefined> => {
      const { authorization } = request.headers;
      if (authorization === undefined) return answerProblem(reply, PROBLEMS.noToken());
      const [, token] = BEARER.exec(authorization) ?? [];
      if (token === undefined)
        return answerProblem(reply, PROBLEMS.badToken('authorization must be: Bearer <token>'));
      try {
        const caller = await this.#callerOf(token);
        request.caller = caller.name;
        request.callerRole = caller.role;
        if (!includes(caller.role, needed))
          return answerProblem(reply, PROBLEMS.missingRole(caller.name, caller.role, needed));
      } catch (error) {
        if (!(error instanceof InvalidTokenError)) throw error;
        return answerProblem(reply, PROBLEMS.badToken(error.message));
      }
      // If the client has left, its answer has ended already, and the timer below would never stop.
      if (reply.raw.destroyed) return reply.hijack();
      this.#checkAgain(token, needed, reply);
      return undefined;
    };
  }

  /** Ends an answer that outlives its token, such as a stream of events. */
  #checkAgain(token: string, needed: Role, { raw }: FastifyReply): void {
    const timer = setInterval(() => {
      this.#callerOf(token).then(
        ({ role }) => includes(role, needed) || raw.destroy(),
        () => raw.destroy(),
      );
    }, RECHECK_MS).unref();
    raw.once('close', () => clearInterval(timer));
  }

  /**
   * Returns the caller that the first source knows.
   * @throws {InvalidTokenError} no source knows the token, or one refuses it
   * @throws {TroubleError} a source cannot check the token now
   */
  async #callerOf(token: string): Promise<Caller> {
    for (const source of this.#sources) {
      const caller = await source.callerOf(token);
      if (caller) return caller;
    }
    throw new InvalidTokenError('The token is unknown here');
  }
}
