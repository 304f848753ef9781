import type { LaneStore } from '../../src/service-layer/unit-of-work.ts';
import { over } from '../support/over.ts';

/*
 * EXPECTED UNTIL IT IS MENDED: `answer-batch.ts` reads what is parked before it has locked the products.
 *
 * On PostgreSQL two lanes can therefore park commands behind one that the other lane has just answered
 * (docs/decisions/0030). So that the simulation finds everything else, its lanes read what is parked once the
 * products are locked. The bug `what is parked is read before the products are locked` shows what happens otherwise.
 *
 * Once the service does so itself, delete this file and its one use in `history.ts`.
 */

/** Makes a lane's transactions read what is parked behind whatever they prepare in the same turn. */
export function readingParkedLast(store: LaneStore): LaneStore {
  return over(store, {
    transaction: (lane, expected, work) =>
      store.transaction(lane, expected, (transaction) => {
        let prepared: Promise<void> | undefined;
        const prepare: typeof transaction.prepare = (commands) => {
          prepared = transaction.prepare(commands);
          return prepared;
        };
        const readParked = async () => {
          await null;
          await prepared;
          return transaction.readParked();
        };
        return work(over(transaction, { prepare, readParked }));
      }),
  });
}
