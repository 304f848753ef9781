import type { StreamEvent } from './server-sent-event.ts';

/** Gatherings of many events follow each other at this pace. A person sees no difference. */
const GATHER_MS = 50;
/** A gathering of more UTF-16 units is sent at once. It is small beside what a client may owe. */
const MAX_GATHERED_LENGTH = 64 * 1024;

/** An event that waits to be sent. */
export interface GatheredEvent {
  readonly partition: number;
  /** Where a client that has the event stands in the partition. */
  readonly nextOffset: number;
  /** The field `id` for a client that stands where the tail does. */
  readonly id: string;
  readonly event: StreamEvent;
}

/**
 * Gathers events, so that each client gets many of them with one write. Many small writes would
 * take the thread of the lanes. An event that comes alone goes out at once.
 */
export class EventGathering {
  readonly #send: (events: readonly GatheredEvent[]) => void;
  #events: GatheredEvent[] = [];
  #length = 0;
  #sentAtMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  /** @param send sends a gathering to all clients */
  constructor(send: (events: readonly GatheredEvent[]) => void) {
    this.#send = send;
  }

  add(gathered: GatheredEvent): void {
    this.#events.push(gathered);
    this.#length += gathered.id.length + gathered.event.text.length;
    if (this.#length >= MAX_GATHERED_LENGTH) this.flush();
    else
      this.#timer ??= setTimeout(
        () => this.flush(),
        Math.max(0, this.#sentAtMs + GATHER_MS - performance.now()),
      );
  }

  /** Sends what has gathered. Call this before a client is told where the tail stands. */
  flush(): void {
    const events = this.#events;
    this.clear();
    if (events.length === 0) return;
    this.#sentAtMs = performance.now();
    this.#send(events);
  }

  /** Forgets what has gathered. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    [this.#events, this.#length] = [[], 0];
  }
}
