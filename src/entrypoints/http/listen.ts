import type { FastifyInstance } from 'fastify';
import { ListenError } from './listen-error.ts';

/** The addresses that mean all interfaces. Not every client can connect to them. */
const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

/** What to do when a port cannot be opened, by the code of the error. */
const LISTEN_HINTS = new Map<string, (setting: string) => string>([
  ['EACCES', (setting) => `set ${setting} to 1024 or higher`],
  [
    'EADDRINUSE',
    (setting) => `stop the process that listens there, or set ${setting} (0: any free port)`,
  ],
  ['EADDRNOTAVAIL', () => 'set HTTP_HOST to an address of this machine'],
  ['ENOTFOUND', () => 'set HTTP_HOST to an address of this machine'],
]);

/**
 * Lets the server listen.
 *
 * @param place the port, and the setting that names it
 * @returns an address at which this machine reaches the server
 * @throws {ListenError} the port cannot be opened; the message says what to do
 */
export async function listenOn(
  server: FastifyInstance,
  host: string,
  { port, setting }: { readonly port: number; readonly setting: string },
): Promise<URL> {
  try {
    const url = new URL(await server.listen({ host, port }));
    if (isOnAllInterfaces(server)) url.hostname = 'localhost';
    return url;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const hint = LISTEN_HINTS.get(code ?? '')?.(setting) ?? `check HTTP_HOST and ${setting}`;
    throw new ListenError(`Cannot listen on ${host}:${port}: ${message} (${hint})`, {
      cause: error,
    });
  }
}

/** Tells whether the server listens at every address of this machine. */
export function isOnAllInterfaces(server: FastifyInstance): boolean {
  return server.addresses().some((each) => typeof each === 'object' && WILDCARDS.has(each.address));
}
