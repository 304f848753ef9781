import type { Delivery } from '../../service-layer/broker.ts';

/**
 * Hands over one delivery at a time, and gets the next one while `take` works.
 * @param deliveriesUntil what is handed over; its signal aborts when nothing more is wanted
 */
export async function handOver(
  deliveriesUntil: (signal: AbortSignal) => AsyncGenerator<Delivery, void>,
  take: (delivery: Delivery) => Promise<void>,
  signal: AbortSignal = new AbortController().signal,
): Promise<void> {
  const over = new AbortController();
  const deliveries = deliveriesUntil(over.signal);
  try {
    let coming = deliveries.next();
    for (;;) {
      const delivery = await unlessAborted(coming, signal);
      if (delivery.done) return;
      coming = deliveries.next();
      coming.catch(() => {}); // It is awaited once `take` has resolved, if ever.
      await take(delivery.value);
    }
  } finally {
    over.abort();
    deliveries.return().catch(() => {});
  }
}

/** @throws the signal's reason, once it aborts; the work may still happen */
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
