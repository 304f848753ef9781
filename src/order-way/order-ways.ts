import { Turns } from '../turns.ts';
import { goOn } from './search-cursor.ts';
import { type SearchControl, tracksOf } from './tracks.ts';
import { type OrderWaysOptions, type WayPart, WaySearch } from './way-search.ts';

/** How many searches read topics at once. The others wait: the lanes share the processor. */
const MAX_SEARCHES = 1;

/**
 * Finds everything that happened to one order, however old, by reading the topics.
 *
 * 1. Read backwards, one stretch at a time. Each time take the partition that is read back the
 *    least. The likely partitions come first: those of the order's id and of its products, and the
 *    front door. A command that is found may name further products.
 * 2. For each event about the order, read the command that led to it. That may be a change of a
 *    batch, which does not name the order. For each dead letter, read what was done about it.
 * 3. When the time is up, or enough is found, return the steps, and a cursor for the next request.
 *
 * Nothing is stored, so every instance can take the next request. Methods reject with
 * `TroubleError` if the log cannot be reached.
 */
export class OrderWays {
  readonly #options: OrderWaysOptions;
  readonly #turns = new Turns(MAX_SEARCHES);

  constructor(options: OrderWaysOptions) {
    this.#options = options;
  }

  /**
   * Goes on with a search, until the time is up or enough is found.
   *
   * @param skus products that the order is known to have
   * @param cursor where a former request stopped; empty: begin with the newest records
   */
  search(
    orderid: string,
    skus: readonly string[],
    cursor: string,
    control: SearchControl,
  ): Promise<WayPart> {
    return this.#turns.take(async () => {
      const { broker, commandsTopic, eventsTopic, deadLettersTopic } = this.#options;
      const tracks = await Promise.all(
        [commandsTopic, eventsTopic, deadLettersTopic].map((topic) => tracksOf(broker, topic)),
      );
      goOn(tracks, cursor);
      return await new WaySearch(this.#options, orderid, tracks, control).run(skus);
    });
  }
}
