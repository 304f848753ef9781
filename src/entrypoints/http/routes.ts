import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { answerProblem, PROBLEMS } from './problem.ts';

/** One route of the API. */
export interface Route {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly handler: (
    request: FastifyRequest<{ Params: { id: string } }>,
    reply: FastifyReply,
  ) => unknown;
  /** Whether the route answers HEAD too. Default: each GET does. */
  readonly hasHead?: boolean;
  /** Runs before the body is read. Its answer ends the request. */
  readonly onRequest?: (
    request: FastifyRequest,
    reply: FastifyReply,
  ) => Promise<FastifyReply | undefined>;
}

/** Adds the route, and answers every other method with 405. */
export function addRoute(server: FastifyInstance, route: Route): void {
  const { method, url, handler, onRequest } = route;
  const hasHead = route.hasHead ?? method === 'GET';
  server.route({
    method,
    url,
    handler,
    exposeHeadRoute: hasHead,
    ...(onRequest && { onRequest }),
  });
  const allowed = hasHead ? [method, 'HEAD'] : [method];
  const refuse = async (request: FastifyRequest, reply: FastifyReply) =>
    answerProblem(reply, PROBLEMS.wrongMethod(request.method, pathOf(request), allowed));
  const others = server.supportedMethods.filter((each) => !allowed.includes(each));
  // Refuse before the body is read: whatever the body is, the method is wrong.
  server.route({ method: others, url, onRequest: refuse, handler: refuse });
}

/** The path of a request, without its query. */
export function pathOf({ url }: FastifyRequest): string {
  return url.split('?')[0] ?? url;
}
