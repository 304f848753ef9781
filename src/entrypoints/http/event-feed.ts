import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import type { Broker, OffsetRange } from '../../service-layer/broker.ts';
import { CatchUps } from './catch-ups.ts';
import { EventGathering, type GatheredEvent } from './event-gathering.ts';
import { isBeyond, startAfter } from './last-event-id.ts';
import { gapFields, idField } from './server-sent-event.ts';
import { type SampleBounds, SharedTail } from './shared-tail.ts';
import { type Client, send, sendGathered } from './stream-client.ts';

const HEARTBEAT_MS = 15_000;

/** Which events the clients of a feed get. */
export interface FeedOptions {
  /** How many records a client may have missed. Beyond that, it begins with new events. */
  readonly maxMissedRecords: number;
  /** Null: the clients get all events. */
  readonly bounds: SampleBounds | null;
}

/** What a client asks for. */
export interface Wish {
  /** The product whose events the client wants; null: all events. */
  readonly sku: string | null;
  /** The last id that the client has read; undefined: the client is new. */
  readonly lastEventId: string | undefined;
}

/**
 * Sends events to clients as server-sent events. All live clients share one tail of the topic. A
 * client that comes again with a `Last-Event-ID` first reads what it missed, and then becomes live.
 *
 * For a client that catches up, the tail opens first. Then the service asks for the ends of the
 * topic, and the client reads up to these ends. So no record lies between what the client has read
 * and what the tail delivers.
 */
export class EventFeed {
  readonly #broker: Broker;
  readonly #topic: string;
  readonly #maxMissedRecords: number;
  readonly #clients = new Set<Client>();
  readonly #tail: SharedTail;
  readonly #catchUps: CatchUps;
  readonly #gathering: EventGathering;
  #heartbeat: NodeJS.Timeout | undefined;

  constructor(broker: Broker, topic: string, { maxMissedRecords, bounds }: FeedOptions) {
    this.#broker = broker;
    this.#topic = topic;
    this.#maxMissedRecords = maxMissedRecords;
    this.#gathering = new EventGathering((events) => this.#send(events));
    this.#tail = new SharedTail(broker, topic, bounds, (partition, nextOffset, event) =>
      this.#gathering.add({ partition, nextOffset, id: idField(this.#tail.places), event }),
    );
    this.#catchUps = new CatchUps(broker, topic, () => this.#tail.places);
  }

  /**
   * Answers once the tail is open. A client with the headers of the response gets the events that
   * are published from then on.
   * @throws {TroubleError} the log cannot be read
   */
  async serve(reply: FastifyReply, { sku, lastEventId }: Wish): Promise<void> {
    const client = this.#enter(reply.raw, sku);
    let ranges: readonly OffsetRange[];
    try {
      await this.#tail.open();
      ranges = lastEventId ? await this.#broker.offsetRanges(this.#topic) : [];
    } catch (error) {
      this.#clients.delete(client);
      throw error;
    }
    reply.hijack();
    if (!client.response.destroyed) this.#begin(client, lastEventId, ranges);
  }

  get clientCount(): number {
    return this.#clients.size;
  }

  /** Drops all clients and closes the tail. */
  async close(): Promise<void> {
    for (const { response, closing } of this.#clients) {
      closing.abort();
      response.destroy();
    }
    this.#clients.clear();
    await this.#rest();
  }

  #enter(response: ServerResponse, sku: string | null): Client {
    const closing = new AbortController();
    const client: Client = { response, sku, closing, isLive: false, places: null };
    this.#clients.add(client);
    response.once('close', () => {
      closing.abort();
      this.#clients.delete(client);
      if (this.#clients.size === 0) void this.#rest();
    });
    return client;
  }

  #begin(client: Client, lastEventId: string | undefined, ranges: readonly OffsetRange[]): void {
    const { response } = client;
    this.#gathering.flush();
    const start = startAfter(lastEventId, ranges, this.#maxMissedRecords);
    const { from, comment, gap } = start;
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    this.#heartbeat ??= setInterval(() => this.#beat(), HEARTBEAT_MS);
    client.places = from;
    const beginning = from ?? this.#tail.places;
    response.write(`: ${comment}\n${idField(beginning)}${gapFields(gap, beginning)}\n`);
    if (from === null) client.isLive = true;
    else this.#catchUps.add(client, from, ranges);
  }

  #send(events: readonly GatheredEvent[]): void {
    sendGathered(this.#clients, events);
    for (const client of this.#clients)
      if (client.isLive && client.places && !isBeyond(client.places, this.#tail.places))
        client.places = null;
  }

  /** Shows each client that its connection lives, and how far it is, even if no event has come. */
  #beat(): void {
    this.#gathering.flush();
    for (const client of this.#clients) {
      const { headersSent, writableEnded } = client.response;
      // This client has not read the end of its stream since the last beat.
      if (writableEnded) client.response.destroy();
      else if (headersSent)
        send(
          client,
          client.isLive ? `:\n${idField(client.places ?? this.#tail.places)}\n` : ':\n\n',
        );
    }
  }

  /** Does nothing more until the next client comes. */
  async #rest(): Promise<void> {
    clearInterval(this.#heartbeat);
    this.#heartbeat = undefined;
    this.#gathering.clear();
    await this.#tail.close();
  }
}
