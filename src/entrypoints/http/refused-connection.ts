import type { Socket } from 'node:net';
import { SECURITY_HEADERS } from './doors/security-headers.ts';
import { bodyOf, PROBLEM_TYPE, PROBLEMS, type Problem } from './problem.ts';

/** Answers a request that is not HTTP, too large or too slow, and closes the connection. */
export function refuseConnection(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT') {
    // An answer would wait for the end of the handshake, and the socket for the answer.
    socket.destroy();
    return;
  }
  if (socket.writable && error.code !== 'ECONNRESET') {
    const answer = (CONNECTION_PROBLEMS.get(error.code ?? '') ?? PROBLEMS.notHttp)();
    const body = bodyOf(answer);
    const head = [
      `HTTP/1.1 ${answer.status} ${answer.title}`,
      `content-type: ${PROBLEM_TYPE}`,
      `content-length: ${body.length}`,
      ...Object.entries(SECURITY_HEADERS).map(([name, value]) => `${name}: ${value}`),
    ];
    socket.write(`${head.join('\r\n')}\r\nconnection: close\r\n\r\n${body}`);
  }
  socket.destroySoon();
}

const CONNECTION_PROBLEMS = new Map<string, () => Problem>([
  ['ERR_HTTP_REQUEST_TIMEOUT', PROBLEMS.lateRequest],
  ['HPE_HEADER_OVERFLOW', PROBLEMS.largeHeaders],
]);
