import type { ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Broker, OffsetRange } from '../../service-layer/broker.ts';
import type { Subscription } from '../../service-layer/consumer-group.ts';
import { TroubleError } from '../../service-layer/errors.ts';
import type { ReceivedRecord } from '../../service-layer/records.ts';
import { MEMORY_BUDGET_BYTES } from '../memory-budget.ts';
import { CatchUps } from './catch-ups.ts';
import { EventGathering, type GatheredEvent } from './event-gathering.ts';
import { isBeyond, type Places, startAfter } from './last-event-id.ts';
import { gapFields, idField, ServerSentEvent } from './server-sent-event.ts';
import { type Client, MAX_UNREAD_BYTES, send, sendGathered } from './stream-client.ts';

const HEARTBEAT_MS = 15_000;
const MAX_CLIENTS = MEMORY_BUDGET_BYTES.streams / MAX_UNREAD_BYTES;

/**
 * Serves events as server-sent events. All live clients share one tail of the topic, which is open
 * while there are clients. A client that comes again with a `Last-Event-ID` first reads what it
 * missed, and then becomes live.
 *
 * For a client that catches up, the tail opens first. Then the service asks for the ends of the
 * topic, and the client reads up to these ends. So no record lies between what the client has read
 * and what the tail delivers.
 */
export class EventStream {
  readonly #broker: Broker;
  readonly #topic: string;
  readonly #clients = new Set<Client>();
  readonly #catchUps: CatchUps;
  readonly #gathering: EventGathering;
  #tail: Promise<Subscription> | null = null;
  /** Where the tail stands. */
  #places: Places = [];
  #heartbeat: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(broker: Broker, topic: string) {
    this.#broker = broker;
    this.#topic = topic;
    this.#catchUps = new CatchUps(broker, topic, () => this.#places);
    this.#gathering = new EventGathering((events) => this.#send(events));
  }

  /**
   * Answers once the tail is open. A client with the headers of the response gets every event that
   * is published from then on.
   * @throws {TroubleError} the service is stopping, or serves as many clients as it may
   */
  async serve(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { sku = null } = request.query as { readonly sku?: string };
    if (this.#isClosed) throw new TroubleError('The service is stopping');
    if (this.#clients.size >= MAX_CLIENTS) {
      throw new TroubleError(
        `${MAX_CLIENTS} clients read the events here already: close one, or read the topic ` +
          this.#topic,
      );
    }
    const lastEventId = request.headers['last-event-id']?.toString();
    const client = this.#enter(reply.raw, sku);
    let ranges: readonly OffsetRange[];
    try {
      await this.#openTail();
      ranges = lastEventId ? await this.#broker.offsetRanges(this.#topic) : [];
    } catch (error) {
      this.#clients.delete(client);
      throw error;
    }
    reply.hijack();
    if (!client.response.destroyed) this.#begin(client, lastEventId, ranges);
  }

  /** How many clients read the stream. */
  get clientCount(): number {
    return this.#clients.size;
  }

  /** Drops all clients and closes the tail. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { response, closing } of this.#clients) {
      closing.abort();
      response.destroy();
    }
    this.#clients.clear();
    await this.#closeTail();
  }

  #enter(response: ServerResponse, sku: string | null): Client {
    const closing = new AbortController();
    const client: Client = { response, sku, closing, isLive: false, places: null };
    this.#clients.add(client);
    response.once('close', () => {
      closing.abort();
      void this.#leave(client);
    });
    return client;
  }

  async #openTail(): Promise<void> {
    this.#tail ??= this.#openNewTail();
    const tail = this.#tail;
    try {
      await tail;
    } catch (error) {
      // Other clients may wait for a newer tail by now.
      if (this.#tail === tail) this.#tail = null;
      throw error;
    }
  }

  async #openNewTail(): Promise<Subscription> {
    const places: Places = [];
    this.#places = places;
    for (const { partition, end } of await this.#broker.offsetRanges(this.#topic))
      places[partition] = end;
    return this.#broker.tail(this.#topic, 'end', (record) => {
      // A former tail may still deliver while it closes.
      if (this.#places === places) this.#deliver(record);
    });
  }

  #begin(client: Client, lastEventId: string | undefined, ranges: readonly OffsetRange[]): void {
    const { response } = client;
    this.#gathering.flush();
    const { from, comment, gap } = startAfter(lastEventId, ranges);
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    this.#heartbeat ??= setInterval(() => this.#beat(), HEARTBEAT_MS);
    client.places = from;
    const beginning = from ?? this.#places;
    response.write(`: ${comment}\n${idField(beginning)}${gapFields(gap, beginning)}\n`);
    if (from === null) client.isLive = true;
    else this.#catchUps.add(client, from, ranges);
  }

  #deliver(record: ReceivedRecord): void {
    const { partition, offset } = record;
    const nextOffset = offset + 1;
    this.#places[partition] = nextOffset;
    const id = idField(this.#places);
    this.#gathering.add({ partition, nextOffset, id, event: new ServerSentEvent(record) });
  }

  #send(events: readonly GatheredEvent[]): void {
    sendGathered(this.#clients, events);
    for (const client of this.#clients)
      if (client.isLive && client.places && !isBeyond(client.places, this.#places))
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
        send(client, client.isLive ? `:\n${idField(client.places ?? this.#places)}\n` : ':\n\n');
    }
  }

  async #leave(client: Client): Promise<void> {
    this.#clients.delete(client);
    if (this.#clients.size === 0) await this.#closeTail();
  }

  async #closeTail(): Promise<void> {
    clearInterval(this.#heartbeat);
    this.#heartbeat = undefined;
    this.#gathering.clear();
    const tail = this.#tail;
    this.#tail = null;
    // A tail that did not open needs no closing.
    await tail?.then(
      (subscription) => subscription.close(),
      () => {},
    );
  }
}
