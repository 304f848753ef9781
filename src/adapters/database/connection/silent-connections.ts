import type { Socket } from 'node:net';
import { statementTimeoutMs } from './statement-timeout.ts';

/** The server's own time-out, which keeps the connection, comes first. */
const GRACE_MS = 1_000;

/** What is used here of the driver's client. */
interface PostgresClient {
  readonly connection: { readonly stream: Socket };
  query(...call: readonly unknown[]): unknown;
  end(...call: readonly unknown[]): unknown;
}

/** What is used here of the driver's pool. */
export interface PostgresPool {
  on(event: 'connect' | 'acquire' | 'remove', listener: (client: PostgresClient) => void): void;
  on(event: 'release', listener: (error: unknown, client: PostgresClient) => void): void;
}

/**
 * Gives a connection up on which nothing comes back: its host has died, or something on the way has
 * forgotten it, and nobody resets it. The driver alone would wait for hours.
 *
 *   idle ──statement──▶ waiting ──answer──▶ idle
 *                          │
 *                          └── nothing received for the statement's time-out ──▶ destroyed
 *
 * What waits on a destroyed connection fails, which is trouble: a lane opens anew. The idle
 * connections of the pool go with it: whatever silenced one may have silenced all, and each would
 * cost another time-out.
 *
 * The driver's own `query_timeout` is not used: it puts the silent connection back into the pool.
 *
 * @param usualMs the time-out of a statement that is no long work
 * @returns gives every connection of the pool up, also those that wait for an answer
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
      // A large answer that is still coming is an answer.
      if (bytesRead === received) onSilent(ms);
      received = bytesRead;
    }, ms);
    return answer.finally(() => clearInterval(timer));
  };
}

/** The driver says goodbye to the server, and waits until the server closes the connection. */
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
