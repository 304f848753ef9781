import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Broker } from '../../service-layer/broker.ts';
import { TroubleError } from '../../service-layer/errors.ts';
import { MEMORY_BUDGET_BYTES } from '../memory-budget.ts';
import { EventFeed } from './event-feed.ts';
import { MAX_UNREAD_BYTES } from './stream-client.ts';

const MAX_CLIENTS = MEMORY_BUDGET_BYTES.streams / MAX_UNREAD_BYTES;
const ALL_EVENTS = { maxMissedRecords: 100_000, bounds: null };
/** A page shows 200 events (`src/page/sections/events.js`), and nobody reads them in a second. */
const SAMPLE = { maxMissedRecords: 1_000, bounds: { everyMs: 1_000, maxRecords: 200 } };

interface EventsQuery {
  readonly sku?: string;
  readonly sample?: 'true';
}

/** Serves events as server-sent events: all of them for programs, a sample for people. */
export class EventStream {
  readonly #topic: string;
  readonly #all: EventFeed;
  readonly #sample: EventFeed;
  #isClosed = false;

  constructor(broker: Broker, topic: string) {
    this.#topic = topic;
    this.#all = new EventFeed(broker, topic, ALL_EVENTS);
    this.#sample = new EventFeed(broker, topic, SAMPLE);
  }

  /**
   * Answers once the client can get every event that is published from then on.
   * @throws {TroubleError} the service is stopping, or serves as many clients as it may
   */
  async serve(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (this.#isClosed) throw new TroubleError('The service is stopping');
    if (this.clientCount >= MAX_CLIENTS) {
      throw new TroubleError(
        `${MAX_CLIENTS} clients read the events here already: close one, or read the topic ` +
          this.#topic,
      );
    }
    const { sku = null, sample } = request.query as EventsQuery;
    const feed = sample === undefined ? this.#all : this.#sample;
    const lastEventId = request.headers['last-event-id']?.toString();
    await feed.serve(reply, { sku, lastEventId });
  }

  /** How many clients read the stream. */
  get clientCount(): number {
    return this.#all.clientCount + this.#sample.clientCount;
  }

  /** Drops all clients. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([this.#all.close(), this.#sample.close()]);
  }
}
