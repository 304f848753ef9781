import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyReply } from 'fastify';

const MEDIA_TYPE = 'application/problem+json';

/** Answers with problem details (RFC 9457). */
export function problem(
  reply: FastifyReply,
  status: number,
  detail: string,
  more: object = {},
): FastifyReply {
  // As bytes: to text Fastify would add a charset, which this media type does not have.
  return reply
    .code(status)
    .type(MEDIA_TYPE)
    .send(asProblem(status, detail, more));
}

/** Answers what is no HTTP, or too much of it, and hangs up. */
export function refuseConnection(error: Error & { code?: string }, socket: Socket): void {
  if (socket.writable && error.code !== 'ECONNRESET') {
    const [status, detail] = CONNECTION_PROBLEMS.get(error.code ?? '') ?? [
      400,
      'This is no HTTP request',
    ];
    const body = asProblem(status, detail);
    const head = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      `content-type: ${MEDIA_TYPE}`,
      `content-length: ${body.length}`,
    ];
    socket.write(`${head.join('\r\n')}\r\nconnection: close\r\n\r\n${body}`);
  }
  socket.destroySoon();
}

const CONNECTION_PROBLEMS = new Map<string, readonly [status: number, detail: string]>([
  ['ERR_HTTP_REQUEST_TIMEOUT', [408, 'The request took too long to arrive']],
  ['HPE_HEADER_OVERFLOW', [431, 'The headers of the request are too large']],
]);

function asProblem(status: number, detail: string, more: object = {}): Buffer {
  const title = STATUS_CODES[status] ?? 'Error';
  return Buffer.from(
    JSON.stringify({ type: 'about:blank', title, status, detail: detail.toWellFormed(), ...more }),
  );
}
