import { once } from 'node:events';
import type { Broker, OffsetRange, ReadChunk } from '../../service-layer/broker.ts';
import { isBeyond, type Places } from './last-event-id.ts';
import { idField, ServerSentEvent } from './server-sent-event.ts';
import { type Client, MAX_UNREAD_BYTES, wants } from './stream-client.ts';

/** How many clients catch up at once. Each has some chunks of the topic in memory. */
const MAX_CATCH_UPS = 4;
/** A client that catches up for longer is dropped. It may come again and go on from there. */
const CATCH_UP_TIMEOUT_MS = 60_000;

/** Reads for clients what they missed. A few clients catch up at once, and the others wait. */
export class CatchUps {
  readonly #broker: Broker;
  readonly #topic: string;
  readonly #tailPlaces: () => Places;
  readonly #turns: Promise<void>[] = Array.from({ length: MAX_CATCH_UPS }, async () => {});
  #count = 0;

  /** @param tailPlaces returns where the tail for the live clients stands */
  constructor(broker: Broker, topic: string, tailPlaces: () => Places) {
    this.#broker = broker;
    this.#topic = topic;
    this.#tailPlaces = tailPlaces;
  }

  /**
   * Sends the client what it missed, and makes it live.
   *
   * @param places where the client stands
   * @param ranges the ranges of the topic, asked for after the tail opened
   */
  add(client: Client, places: Places, ranges: readonly OffsetRange[]): void {
    const index = this.#count % MAX_CATCH_UPS;
    this.#count += 1;
    const turn = this.#turns[index] ?? Promise.resolve();
    this.#turns[index] = turn.then(() => this.#catchUp(client, places, ranges));
  }

  /** Never rejects. If events cannot be read, the stream ends, and the client may come again. */
  async #catchUp(client: Client, places: Places, ranges: readonly OffsetRange[]): Promise<void> {
    const { closing, response } = client;
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(CATCH_UP_TIMEOUT_MS)]);
    try {
      const ends: Places = [];
      for (const { partition, end } of ranges) ends[partition] = end;
      for (let target = ends; isBeyond(target, places); target = [...this.#tailPlaces()])
        await this.#broker.read(
          this.#topic,
          rangesBetween(places, target),
          (chunk) => sendMissed(client, places, chunk, signal),
          signal,
        );
      client.isLive = true;
    } catch {
      if (signal.aborted) response.destroy();
      else response.end();
    }
  }
}

/** Sends the records of a chunk as fast as the client reads. */
async function sendMissed(
  client: Client,
  places: Places,
  { partition, records, nextOffset }: ReadChunk,
  signal: AbortSignal,
): Promise<void> {
  const { response } = client;
  for (const record of records) {
    const event = new ServerSentEvent(record);
    places[partition] = record.offset + 1;
    if (wants(client, event)) response.write(idField(places) + event.text);
    if (response.writableLength > MAX_UNREAD_BYTES / 2) await once(response, 'drain', { signal });
  }
  places[partition] = nextOffset;
}

function rangesBetween(from: Places, to: Places): readonly OffsetRange[] {
  return to.flatMap((end, partition) => {
    const beginning = from[partition] ?? 0;
    return beginning < end ? [{ partition, beginning, end }] : [];
  });
}
