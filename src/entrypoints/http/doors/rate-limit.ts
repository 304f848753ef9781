import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { answerProblem, PROBLEMS } from '../problem.ts';

/** A short window. A client that has sent too much waits only a moment. */
const WINDOW_MS = 1_000;

/**
 * Makes a hook that refuses what a client sends beyond `maxRequests` a second. A client is an IPv4
 * address, or a network of IPv6 (/64).
 *
 * @param server has the plugin `@fastify/rate-limit`
 */
export function rateLimit(server: FastifyInstance, maxRequests: number) {
  const count = server.createRateLimit({ max: maxRequests, timeWindow: WINDOW_MS });
  return async (
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply | undefined> => {
    const counted = await count(request);
    if (counted.isAllowed || !counted.isExceeded) return undefined;
    return answerProblem(reply, PROBLEMS.manyRequests(maxRequests, counted.ttlInSeconds));
  };
}
