import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import { asStructuredEvent } from '../../messages/outgoing.ts';
import type { Broker } from '../../service-layer/broker.ts';
import type { Subscription } from '../../service-layer/consumer-group.ts';
import { TroubleError } from '../../service-layer/errors.ts';
import type { ReceivedRecord } from '../../service-layer/records.ts';
import { MEMORY_BUDGET_BYTES } from '../memory-budget.ts';

const HEARTBEAT_MS = 15_000;
/** A client that leaves more unread is dropped, because it must not fill the service's memory. */
const MAX_UNREAD_BYTES = 1024 * 1024;
const MAX_CLIENTS = MEMORY_BUDGET_BYTES.streams / MAX_UNREAD_BYTES;

/**
 * Serves live events as server-sent events. All clients share one tail of the topic, which is open
 * while there are clients.
 */
export class EventStream {
  readonly #broker: Broker;
  readonly #topic: string;
  readonly #clients = new Set<ServerResponse>();
  #tail: Promise<Subscription> | null = null;
  #heartbeat: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(broker: Broker, topic: string) {
    this.#broker = broker;
    this.#topic = topic;
  }

  /**
   * Answers once the tail is open. A client gets every event that is published after it has the
   * headers of the response.
   * @throws {TroubleError} the service is stopping, or serves as many clients as it may
   */
  async serve(reply: FastifyReply): Promise<void> {
    if (this.#isClosed) throw new TroubleError('The service is stopping');
    if (this.#clients.size >= MAX_CLIENTS) {
      throw new TroubleError(
        `${MAX_CLIENTS} clients read the events here already: close one, or read the topic ` +
          this.#topic,
      );
    }
    const client = reply.raw;
    this.#clients.add(client);
    client.once('close', () => void this.#leave(client));
    this.#tail ??= this.#broker.tail(this.#topic, 'end', (record) =>
      this.#send(asServerSentEvent(record)),
    );
    const tail = this.#tail;
    try {
      await tail;
    } catch (error) {
      // Other clients may wait for a newer tail by now.
      if (this.#tail === tail) this.#tail = null;
      this.#clients.delete(client);
      throw error;
    }
    reply.hijack();
    if (client.destroyed) return;
    client.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    client.write(': live events\n\n');
    this.#heartbeat ??= setInterval(() => this.#send(':\n\n'), HEARTBEAT_MS);
  }

  /** Drops all clients and closes the tail. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const client of this.#clients) client.destroy();
    this.#clients.clear();
    await this.#closeTail();
  }

  #send(text: string): void {
    for (const client of this.#clients) {
      if (!client.headersSent) continue;
      if (client.writableLength > MAX_UNREAD_BYTES) client.destroy();
      else client.write(text);
    }
  }

  async #leave(client: ServerResponse): Promise<void> {
    this.#clients.delete(client);
    if (this.#clients.size === 0) await this.#closeTail();
  }

  async #closeTail(): Promise<void> {
    clearInterval(this.#heartbeat);
    this.#heartbeat = undefined;
    const tail = this.#tail;
    this.#tail = null;
    // A tail that did not open needs no closing.
    await tail?.then(
      (subscription) => subscription.close(),
      () => {},
    );
  }
}

function asServerSentEvent(record: ReceivedRecord): string {
  const event = asStructuredEvent(record);
  return `${field('id', event.id)}${field('event', event.type)}data: ${asJson(event, record)}\n\n`;
}

/** A foreign record may lack the attribute, or have line ends in it, which would end the field. */
function field(name: string, value: unknown): string {
  return typeof value === 'string' ? `${name}: ${value.replace(/[\0\r\n]/g, ' ')}\n` : '';
}

/** Never throws, although deeply nested JSON can be read but not written. */
function asJson(event: Record<string, unknown>, { value }: ReceivedRecord): string {
  try {
    return JSON.stringify(event);
  } catch {
    return JSON.stringify({ ...event, data: String(value) });
  }
}
