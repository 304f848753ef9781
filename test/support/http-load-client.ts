import { Agent, get } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** How much a client asks of the doors. */
export interface HttpLoad {
  /** Connections that send one byte a second. */
  readonly connections: number;
  /** Event streams that never read. */
  readonly streams: number;
  readonly requestsPerSecond: number;
  readonly seconds: number;
}

/** What the client has seen. */
export interface HttpLoadResult {
  readonly slow: { readonly opened: number; readonly timedOut: number; readonly open: number };
  /** How many streams had each status as their answer; 0: none. */
  readonly streams: Readonly<Record<number, number>>;
  /** How many requests had each status; 0: the connection broke. */
  readonly requests: Readonly<Record<number, number>>;
}

/** One address may have 500 connections, and 1,000 requests a second. */
const SLOW_HOSTS = ['127.0.0.2', '127.0.0.3', '127.0.0.4'];
const STREAM_HOST = '127.0.0.5';
const REQUEST_HOST = '127.0.0.6';
const MAX_SOCKETS = 50;
/** A service that is slower than the load must not fill this process. */
const MAX_IN_FLIGHT = 1_000;
const TICK_MS = 10;
const SECOND_MS = 1_000;
/** The service gives a head 10 s, and looks every second. */
const CLOSED_WITHIN_MS = 30_000;
const PATHS = ['/products/LOAD', '/orders', '/status'];

const { url, ...load } = JSON.parse(process.argv[2] ?? '{}') as HttpLoad & { url: string };
const { port } = new URL(url);

function open(localAddress: string, text: string): Socket {
  const socket = connect({ host: '127.0.0.1', port: Number(port), localAddress });
  // The service may hang up at any time.
  socket.on('error', () => {});
  socket.write(text);
  return socket;
}

/** Keeps up as many connections as the load asks for, and opens another one for each closed one. */
async function dripSlowly(signal: AbortSignal): Promise<HttpLoadResult['slow']> {
  const sockets = new Set<Socket>();
  let opened = 0;
  let timedOut = 0;
  const add = () => {
    const host = SLOW_HOSTS[opened % SLOW_HOSTS.length] as string;
    const socket = open(host, 'GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-slow: ');
    opened += 1;
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.once('data', (head) => {
      if (String(head).startsWith('HTTP/1.1 408')) timedOut += 1;
    });
  };
  const endsAtMs = Date.now() + load.seconds * SECOND_MS + CLOSED_WITHIN_MS;
  while (Date.now() < endsAtMs && !(signal.aborted && sockets.size === 0)) {
    for (const socket of sockets) if (socket.writable) socket.write('x');
    while (!signal.aborted && sockets.size < load.connections) add();
    await sleep(SECOND_MS);
  }
  const left = sockets.size;
  for (const socket of sockets) socket.destroy();
  return { opened, timedOut, open: left };
}

/**
 * Opens streams that are never read beyond their heads.
 * @returns once each has its answer, or is closed without one
 */
async function openStreams(): Promise<{ streams: HttpLoadResult['streams']; close(): void }> {
  const counts: Record<number, number> = {};
  const text = 'GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n';
  const sockets = Array.from({ length: load.streams }, () => open(STREAM_HOST, text));
  const answers = sockets.map(
    (socket) =>
      new Promise<number>((resolve) => {
        socket.once('data', (head) => {
          socket.pause();
          resolve(Number(String(head).split(' ')[1]));
        });
        socket.once('close', () => resolve(0));
      }),
  );
  for (const status of await Promise.all(answers)) note(counts, status);
  const close = () => {
    for (const socket of sockets) socket.destroy();
  };
  return { streams: counts, close };
}

const agent = new Agent({ keepAlive: true, maxSockets: MAX_SOCKETS });
const answers: Record<number, number> = {};
let sent = 0;
let inFlight = 0;

/** Sends a request. Resolves when the answer has come, or the connection is broken. */
function send(): Promise<void> {
  const path = PATHS[sent % PATHS.length];
  sent += 1;
  inFlight += 1;
  return new Promise((resolve) => {
    const end = (status: number) => {
      inFlight -= 1;
      note(answers, status);
      resolve();
    };
    const options = { host: '127.0.0.1', port, path, agent, localAddress: REQUEST_HOST };
    get(options, (response) => {
      response.resume().once('end', () => end(response.statusCode ?? 0));
    }).once('error', () => end(0));
  });
}

/** Sends as many requests a second as the load asks for, or as the service answers. */
async function ask(signal: AbortSignal): Promise<HttpLoadResult['requests']> {
  const startedAtMs = Date.now();
  const before = sent;
  while (!signal.aborted) {
    const due = ((Date.now() - startedAtMs) / SECOND_MS) * load.requestsPerSecond;
    while (sent - before < due && inFlight < MAX_IN_FLIGHT) void send();
    await sleep(TICK_MS);
  }
  while (inFlight > 0) await sleep(TICK_MS);
  agent.destroy();
  return answers;
}

function note(counts: Record<number, number>, status: number): void {
  counts[status] = (counts[status] ?? 0) + 1;
}

// Slow connections may take all that the service has, so those of requests and streams come first.
await Promise.all(Array.from({ length: MAX_SOCKETS }, send));
const { streams, close } = await openStreams();
const over = AbortSignal.timeout(load.seconds * SECOND_MS);
const [slow, requests] = await Promise.all([dripSlowly(over), ask(over)]);
close();
const result: HttpLoadResult = { slow, streams, requests };
process.stdout.write(`${JSON.stringify(result)}\n`);
