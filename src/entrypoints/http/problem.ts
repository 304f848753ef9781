import { STATUS_CODES } from 'node:http';
import type { FastifyReply } from 'fastify';
import { REDRIVE_SOURCE } from '../../domain/identity.ts';
import { describeRunning } from '../../jobs/errors.ts';
import type { JobView } from '../../jobs/job.ts';
import { MAX_COMMAND_BYTES } from '../../messages/read-command.ts';
import type { UnreadableMessage } from '../../messages/unreadable.ts';
import { nameHint } from '../../nearest-name.ts';
import { BATCH_TYPES, MAX_BATCH_BYTES, SINGLE_TYPES } from './content-types.ts';
import type { Role } from './doors/access.ts';

/** How long the headers of a request may take to arrive. */
export const HEADERS_TIMEOUT_MS = 10_000;
/** How long a whole request may take to arrive. */
export const REQUEST_TIMEOUT_MS = 30_000;

/** The media type of every problem. */
export const PROBLEM_TYPE = 'application/problem+json';
const RETRY_AFTER_SECONDS = 2;
/** Source: RFC 6750, section 3. */
const CHALLENGE = 'Bearer realm="allocation"';

/** An answer with problem details (RFC 9457). */
export interface Problem {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly headers?: Readonly<Record<string, string | number>>;
  /** Further members of the answer's body. */
  readonly members?: object;
}

function problem(
  status: number,
  detail: string,
  extras: Pick<Problem, 'headers' | 'members'> = {},
): Problem {
  return { status, title: STATUS_CODES[status] ?? 'Error', detail, ...extras };
}

const retryLater = { headers: { 'retry-after': RETRY_AFTER_SECONDS } };

/** Every problem that the API answers with. */
export const PROBLEMS = {
  invalidRequest: (status: number, detail: string) => problem(status, detail),
  invalidParameter: (parameter: string, message: string) =>
    problem(400, `${parameter} ${message}`, { members: { parameter } }),
  unknownParameter: (parameter: string, known: readonly string[]) =>
    problem(
      400,
      `There is no parameter ${parameter.slice(0, 80)}: ` +
        (known.length > 0 ? nameHint(parameter, known) : 'this route has none'),
      { members: { parameter: parameter.slice(0, 80) } },
    ),
  unreadableCommand: ({ reason, message, fields: errors }: UnreadableMessage) =>
    problem(reason === 'too-large' ? 413 : 400, message, { members: { reason, errors } }),
  invalidBody: (
    detail: string,
    errors: readonly { readonly field: string; readonly message: string }[],
  ) => problem(400, detail, { members: { errors } }),
  reservedSource: () => {
    const message = `${REDRIVE_SOURCE} is reserved for "dead-letters redrive": use another source`;
    const errors = [{ field: 'source', message }];
    return problem(400, `source ${message}`, { members: { reason: 'malformed', errors } });
  },
  noHost: () => problem(400, 'The request has no Host header: HTTP/1.1 requires one'),
  notHttp: () => problem(400, 'The request is not valid HTTP'),
  noToken: () =>
    problem(401, 'This needs a token: send it as "authorization: Bearer <token>"', {
      headers: { 'www-authenticate': CHALLENGE },
    }),
  badToken: (detail: string) =>
    problem(401, detail, {
      headers: { 'www-authenticate': `${CHALLENGE}, error="invalid_token"` },
    }),
  missingRole: (name: string, granted: Role | null, needed: Role) =>
    problem(403, `This needs the role ${needed}. ${name} has ${granted ?? 'no role here'}`, {
      headers: {
        'www-authenticate': `${CHALLENGE}, error="insufficient_scope", scope="${needed}"`,
      },
      members: { role: needed },
    }),
  foreignPage: () =>
    problem(
      403,
      'A page of another site must not send this: HTTP_PUBLIC_URL names the sites of the API',
    ),
  unknownRoute: (path: string) => problem(404, `There is no route ${path}`),
  unknownOrder: (orderid: string) => problem(404, `Nothing is allocated to order ${orderid}`),
  unknownBatch: (reference: string) => problem(404, `There is no batch ${reference}`),
  unknownProduct: (sku: string) => problem(404, `No batch of sku ${sku} was ever created`),
  unknownCommand: (id: string, searchedOffsets: number) =>
    problem(
      404,
      `There is no command ${id} among the newest ${searchedOffsets} messages of each partition. ` +
        'Ask by its place, which the answer to POST /commands names in Location',
    ),
  emptyPlace: (place: string) =>
    problem(404, `There is no command at ${place}: nothing came there yet, or it is deleted`),
  waitForBatch: () =>
    problem(400, 'A batch does not wait for answers: wait at the location of each command', {
      members: { parameter: 'wait' },
    }),
  unknownLane: (partition: string) =>
    problem(404, `The service has never opened a lane ${partition.slice(0, 80)}`),
  unknownLetter: (id: string) => problem(404, `There is no dead letter ${id}`),
  unknownJob: (id: string) =>
    problem(
      404,
      `This instance knows no job ${id}: only the instance that runs a job knows it, ` +
        'and forgets it after 50 further jobs',
    ),
  noAuditTopic: () =>
    problem(
      404,
      'No topic records the acts of operators: set AUDIT_TOPIC, for example to allocation.audit',
    ),
  unknownSchema: (type: string, version: string, known: readonly string[]) =>
    problem(404, `There is no schema ${type}/${version}; use one of: ${known.join(', ')}`, {
      members: { schemas: known },
    }),
  wrongMethod: (method: string, path: string, allowed: readonly string[]) =>
    problem(405, `${path} accepts ${allowed.join(' and ')}, not ${method}`, {
      headers: { allow: allowed.join(', ') },
    }),
  resolvedLetter: (detail: string) => problem(409, detail),
  moreLetters: (count: number, expectedCount: number) =>
    problem(
      409,
      `The act would handle ${count} letters, not ${expectedCount}: look at a new preview`,
    ),
  jobRunning: (job: Pick<JobView, 'id' | 'act' | 'by'>) =>
    problem(409, describeRunning(job), { members: { job: job.id } }),
  lateRequest: () =>
    problem(
      408,
      `The request did not arrive within ${REQUEST_TIMEOUT_MS / 1_000} s, ` +
        `or its headers within ${HEADERS_TIMEOUT_MS / 1_000} s`,
    ),
  largeCommand: () =>
    problem(
      413,
      `A command has at most ${MAX_COMMAND_BYTES} bytes, and a batch at most ${MAX_BATCH_BYTES}`,
    ),
  largeBody: (maxBytes: number) =>
    problem(413, `The body has at most ${maxBytes} bytes on this route`),
  largeForTopic: (detail: string) => problem(413, detail),
  encodedCommand: (encoding: string) =>
    problem(415, `content-encoding ${encoding} is not supported: send the body without it`),
  notJson: () => problem(415, 'content-type must be application/json'),
  unknownContentType: () =>
    problem(415, `content-type must be one of: ${[...SINGLE_TYPES, ...BATCH_TYPES].join(', ')}`),
  unknownHost: (host: string) =>
    problem(
      421,
      `The API does not answer for the host ${host}: use an address or localhost, ` +
        'or name the host in HTTP_PUBLIC_URL',
    ),
  manyRequests: (maxRequests: number, seconds: number) =>
    problem(429, `One client may send ${maxRequests} requests a second here: send fewer`, {
      headers: { 'retry-after': seconds },
    }),
  largeHeaders: () => problem(431, 'The headers of the request are too large'),
  fault: () => problem(500, 'The request failed. The log of the service says why.'),
  trouble: (detail: string) => problem(503, detail, retryLater),
  manyReads: () =>
    problem(503, 'Too many questions wait for an answer: ask again later', retryLater),
  readingLetters: (read: number, total: number) =>
    problem(
      503,
      `The dead letters are being read, ${read} of ${total} offsets so far: ask again later`,
      retryLater,
    ),
  manyCommands: () =>
    problem(
      503,
      'Too many commands are waiting for the log: send this one again later',
      retryLater,
    ),
} as const satisfies Readonly<Record<string, (...parameters: never[]) => Problem>>;

/** Answers a request with a problem. */
export function answerProblem(reply: FastifyReply, answer: Problem): FastifyReply {
  const { status, headers = {} } = answer;
  // Fastify adds a charset to text, which this media type does not have. So send bytes.
  return reply.headers(headers).code(status).type(PROBLEM_TYPE).send(bodyOf(answer));
}

/** Returns the members of a problem, as its body has them. */
export function asBody({ status, title, detail, members }: Problem) {
  return { type: 'about:blank', title, status, detail: detail.toWellFormed(), ...members };
}

/** Returns the bytes of a problem's body. */
export function bodyOf(problem: Problem): Buffer {
  return Buffer.from(JSON.stringify(asBody(problem)));
}
