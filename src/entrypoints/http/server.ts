import type { RequestListener, Server } from 'node:http';
import type { Server as SecureServer } from 'node:https';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { MAX_COMMAND_BYTES } from '../../messages/read-command.ts';
import { traceIdOfRequest } from '../../tracing/request-traces.ts';
import { problemOf } from './error-problem.ts';
import { answerProblem, PROBLEMS } from './problem.ts';
import { dropBody } from './refused-body.ts';
import { refuseConnection } from './refused-connection.ts';
import { pathOf } from './routes.ts';

/** The length of a name of 255 characters, each with four bytes, percent-encoded. */
const MAX_ENCODED_NAME = 255 * 4 * 3;

/**
 * Makes a server without routes that answers every error with a problem.
 *
 * @param serverFactory makes the server that listens, with its own time-outs
 */
export function newFastify(
  serverFactory: (listener: RequestListener) => Server | SecureServer,
  log: Logger,
): FastifyInstance {
  const answerError = (
    error: Error,
    request: FastifyRequest,
    reply: FastifyReply,
    maxJsonBytes: number | null = null,
  ) => {
    const answer = problemOf(error, maxJsonBytes);
    if (answer === null)
      log.error(
        { err: error, url: pathOf(request), traceId: traceIdOfRequest(request) },
        'A request failed',
      );
    return answerProblem(reply, answer ?? PROBLEMS.fault());
  };
  const server = Fastify({
    bodyLimit: MAX_COMMAND_BYTES,
    clientErrorHandler: refuseConnection,
    forceCloseConnections: true,
    frameworkErrors: (error, request, reply) =>
      void answerError(error, request, reply as FastifyReply),
    routerOptions: { maxParamLength: MAX_ENCODED_NAME },
    serverFactory: (listener) => serverFactory(listener) as Server,
  });
  server.setErrorHandler(async (error: Error & { statusCode?: number }, request, reply) => {
    const { bodyLimit, config } = request.routeOptions;
    if (error.statusCode === 413) await dropBody(request.raw);
    return answerError(error, request, reply, config.operation?.json ? bodyLimit : null);
  });
  server.setNotFoundHandler((request, reply) =>
    answerProblem(reply, PROBLEMS.unknownRoute(pathOf(request))),
  );
  return server;
}
