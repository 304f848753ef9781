import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';

/** The largest body that is read although it is refused for its size. */
const MAX_READ_BYTES = 64 * 1024 * 1024;

/**
 * Reads the rest of a body that is refused for its size, and drops it. Many clients read no answer
 * before they have sent their whole request. An earlier answer closes the connection, and to them
 * the connection seems broken. A body of unknown length, or far too large a body, is not read.
 */
export async function dropBody(request: IncomingMessage): Promise<void> {
  const bytes = Number(request.headers['content-length'] ?? Number.POSITIVE_INFINITY);
  if (bytes > MAX_READ_BYTES || request.complete || request.destroyed) return;
  request.resume();
  await once(request, 'close').catch(() => {});
}
