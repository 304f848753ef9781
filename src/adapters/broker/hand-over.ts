import type { ReadChunk } from '../../service-layer/broker.ts';

/**
 * Hands over one chunk at a time, and reads the next chunk while `take` works.
 * @param chunksUntil yields the chunks; its signal aborts when no more are wanted
 * @throws the error of `take` or of the reading, or the signal's reason
 */
export async function handOver(
  chunksUntil: (signal: AbortSignal) => AsyncGenerator<ReadChunk, void>,
  take: (chunk: ReadChunk) => Promise<void>,
  signal: AbortSignal = new AbortController().signal,
): Promise<void> {
  const over = new AbortController();
  const chunks = chunksUntil(over.signal);
  try {
    let next = chunks.next();
    for (;;) {
      const chunk = await unlessAborted(next, signal);
      if (chunk.done) return;
      next = chunks.next();
      // Without this handler, Node would end the process if `next` rejects while `take` works.
      next.catch(() => {});
      await take(chunk.value);
    }
  } finally {
    over.abort();
    chunks.return().catch(() => {});
  }
}

/**
 * Waits for the work unless the signal aborts. The work itself goes on in any case.
 * @throws the signal's reason, as soon as it aborts
 */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort);
  if (signal.aborted) abort();
  try {
    return await Promise.race([promise, work]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
