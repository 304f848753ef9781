import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http';
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https';
import type { Socket } from 'node:net';
import { normalizeIP } from '@fastify/rate-limit';
import { HEADERS_TIMEOUT_MS, REQUEST_TIMEOUT_MS } from '../problem.ts';

/** How often Node looks for requests that are too slow. Its own default is 30 s. */
const TIMEOUT_LOOK_MS = 1_000;
/** A client that takes nothing of its answer for this long is dropped. */
const SILENCE_TIMEOUT_MS = 120_000;
/** Longer than the 60 s after which load balancers usually give up an idle connection. */
const KEEP_ALIVE_TIMEOUT_MS = 72_000;
/** Each connection takes a file descriptor and some memory. */
const MAX_CONNECTIONS = 1_000;
/** A lower limit for one client, because others need connections. One proxy counts as one. */
const MAX_CONNECTIONS_OF_CLIENT = 500;

const OPTIONS: ServerOptions = {
  connectionsCheckingInterval: TIMEOUT_LOOK_MS,
  headersTimeout: HEADERS_TIMEOUT_MS,
  requestTimeout: REQUEST_TIMEOUT_MS,
  keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
  // `doors.ts` refuses a request without a host, because Node's answer lacks the security headers.
  requireHostHeader: false,
};

/** Makes a server of plain HTTP that gives up slow clients, and bounds their connections. */
export function newServer(listener: RequestListener): Server {
  return answerAll(limitConnections(createServer(OPTIONS, listener)), listener);
}

/** Makes a server of HTTPS with the same bounds. Set its certificate before it listens. */
export function newSecureServer(listener: RequestListener): SecureServer {
  const options = { ...OPTIONS, handshakeTimeout: HEADERS_TIMEOUT_MS };
  return answerAll(limitConnections(createSecureServer(options, listener)), listener);
}

/** Answers requests with an unknown `Expect` too. Without this listener, Node answers 417. */
function answerAll<T extends Server | SecureServer>(server: T, listener: RequestListener): T {
  server.on('checkExpectation', listener);
  return server;
}

function limitConnections<T extends Server | SecureServer>(server: T): T {
  const counts = new Map<string, number>();
  const sockets = new Set<Socket>();
  // Node's own method leaves out connections whose TLS handshake is not done. `close` would wait
  // for these.
  server.closeAllConnections = () => {
    for (const socket of sockets) socket.destroy();
  };
  server.maxConnections = MAX_CONNECTIONS;
  server.setTimeout(SILENCE_TIMEOUT_MS);
  server.on('connection', (socket: Socket) => {
    const client = normalizeIP(socket.remoteAddress ?? '');
    const count = (counts.get(client) ?? 0) + 1;
    if (count > MAX_CONNECTIONS_OF_CLIENT) return socket.destroy();
    counts.set(client, count);
    sockets.add(socket);
    return socket.once('close', () => {
      sockets.delete(socket);
      const left = (counts.get(client) ?? 0) - 1;
      if (left > 0) counts.set(client, left);
      else counts.delete(client);
    });
  });
  return server;
}
