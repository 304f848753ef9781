import type { IncomingMessage } from 'node:http';

/** How much of a body is read that is refused for its size. */
const MAX_READ_BYTES = 64 * 1024 * 1024;

/**
 * Reads the rest of a body, and drops it. Many clients read no answer before they have sent their
 * whole request: an earlier answer that closes the connection looks like a broken one to them.
 * Resolves at the end of the body, or after `MAX_READ_BYTES`.
 */
export function dropBody(request: IncomingMessage): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (request.readableEnded || request.destroyed) resolve();
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MAX_READ_BYTES) resolve();
  });
  for (const end of ['end', 'close', 'error']) request.once(end, () => resolve());
  request.resume();
  return promise;
}
