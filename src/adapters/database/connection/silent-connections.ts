import type { Socket } from 'node:net';
import { statementTimeoutMs } from './long-work.ts';

/** Lets the server's own time-out come first, because that one keeps the connection. */
const GRACE_MS = 1_000;

/** The part of the driver's client that this file uses. */
interface PostgresClient {
  readonly connection: { readonly stream: Socket };
  query(...call: readonly unknown[]): unknown;
  end(...call: readonly unknown[]): unknown;
}

/** The part of the driver's pool that this file uses. */
export interface PostgresPool {
  on(event: 'connect' | 'acquire' | 'remove', listener: (client: PostgresClient) => void): void;
  on(event: 'release', listener: (error: unknown, client: PostgresClient) => void): void;
}

/**
 * Destroys a connection on which no answer arrives. Its host may have died, or a device on the way
 * may have forgotten it, without a reset. The driver alone would wait for hours.
 *
 *   idle ──statement──▶ waiting ──answer──▶ idle
 *                          │
 *                          └── nothing received for the statement's time-out ──▶ destroyed
 *
 * A statement that waits on a destroyed connection fails with `TroubleError`, and its lane opens
 * anew. The pool's idle connections are destroyed as well, because one cause may have silenced
 * them all, and each would cost another time-out.
 *
 * The driver's own `query_timeout` does not help: it puts the silent connection back into the pool.
 *
 * @param usualMs the time-out of a statement of usual work
 * @returns a function that destroys every connection of the pool, busy ones included
 */
export function giveUpSilentConnections(
  pool: PostgresPool,
  usualMs: number,
): (why: string) => void {
  const open = new Set<PostgresClient>();
  const idle = new Set<PostgresClient>();
  const giveUp = (client: PostgresClient, ms: number) => {
    for (const each of [client, ...idle])
      destroy(each, `PostgreSQL has not answered for ${Math.round(ms / 1_000)} s`);
  };
  pool.on('acquire', (client) => idle.delete(client));
  pool.on('release', (_, client) => idle.add(client));
  pool.on('remove', (client) => {
    idle.delete(client);
    open.delete(client);
  });
  pool.on('connect', (client) => {
    open.add(client);
    watchAnswers(client, usualMs, (ms) => giveUp(client, ms));
    watchEnd(client, usualMs);
  });
  return (why) => {
    for (const client of open) destroy(client, why);
  };
}

function watchAnswers(
  client: PostgresClient,
  usualMs: number,
  onSilent: (ms: number) => void,
): void {
  const query = client.query.bind(client);
  client.query = (...call) => {
    const answer = query(...call);
    if (!(answer instanceof Promise)) return answer;
    const ms = statementTimeoutMs(usualMs) + GRACE_MS;
    let received = client.connection.stream.bytesRead;
    const timer = setInterval(() => {
      const { bytesRead } = client.connection.stream;
      // A large answer that is still arriving counts as an answer.
      if (bytesRead === received) onSilent(ms);
      received = bytesRead;
    }, ms);
    return answer.finally(() => clearInterval(timer));
  };
}

/**
 * Destroys a connection that the server does not close in time. The driver only says goodbye and
 * waits.
 */
function watchEnd(client: PostgresClient, ms: number): void {
  const end = client.end.bind(client);
  client.end = (...call) => {
    setTimeout(() => client.connection.stream.destroy(), ms).unref();
    return end(...call);
  };
}

function destroy({ connection: { stream } }: PostgresClient, why: string): void {
  if (!stream.destroyed) stream.destroy(new Error(why));
}
