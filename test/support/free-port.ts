import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Systems take the ports of outgoing connections from above: 32768 on Linux, 49152 elsewhere. */
const LOWEST = 15_000;
const HIGHEST = 32_000;

/**
 * Returns a port of this machine on which nothing listens. A server that restarts finds its port
 * free again, because no outgoing connection gets a port of this range.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(LOWEST, HIGHEST);
    const server = createServer().listen(port, '127.0.0.1');
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    await once(server.close(), 'close');
    return port;
  }
}
