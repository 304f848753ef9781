import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { MAX_JSON_BYTES } from './content-types.ts';
import type { Access } from './doors/access.ts';
import type { Hook, HooksOf } from './doors/doors.ts';
import { checkJson, refuseOtherTypes } from './json-body.ts';
import type { Operation } from './openapi/operation.ts';
import { answerProblem, PROBLEMS } from './problem.ts';
import { checkQuery } from './query-check.ts';

/** One route of the API. `api.ts` lists all routes, and adds each with `addRoute`. */
export interface Route {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  /** Who may use the route. */
  readonly access: Access;
  /** What the route takes and answers, for the contract. Null: the contract leaves it out. */
  readonly operation: Operation | null;
  readonly handler: (
    request: FastifyRequest<{ Params: Record<string, string> }>,
    reply: FastifyReply,
  ) => unknown;
  /** Whether the route answers HEAD too. Default: each GET does. */
  readonly hasHead?: boolean;
  /** Runs when the caller has the access, and the query is valid. */
  readonly onRequest?: Hook;
}

/** Adds the route with the hooks of its access, and answers every other method with 405. */
export function addRoute(server: FastifyInstance, route: Route, hooksOf: HooksOf): void {
  const { method, url, access, operation, handler, onRequest } = route;
  const { query, json }: Partial<Operation> = operation ?? {};
  const checks = [...(query ? [checkQuery(query)] : []), ...(json ? [refuseOtherTypes()] : [])];
  const hasHead = route.hasHead ?? method === 'GET';
  server.route({
    method,
    url,
    handler,
    exposeHeadRoute: hasHead,
    config: { ...(operation && { operation }), access },
    onRequest: [...hooksOf(access), ...checks, ...(onRequest ? [onRequest] : [])],
    ...(json && { preHandler: checkJson(json), bodyLimit: json.maxBytes ?? MAX_JSON_BYTES }),
  });
  const allowed = hasHead ? [method, 'HEAD'] : [method];
  const refuse = async (request: FastifyRequest, reply: FastifyReply) =>
    answerProblem(reply, PROBLEMS.wrongMethod(request.method, pathOf(request), allowed));
  const others = server.supportedMethods.filter((each) => !allowed.includes(each));
  // Refuse before the body is read: whatever the body is, the method is wrong.
  server.route({
    method: others,
    url,
    onRequest: [...hooksOf('open'), refuse],
    handler: refuse,
  });
}

/** Returns the path of a request, without its query. */
export function pathOf({ url }: FastifyRequest): string {
  return url.split('?')[0] ?? url;
}
