import type { SqlUnitOfWork } from '../../src/adapters/database/unit-of-work.ts';
import { type LaneStore, type ParkedCommand, TroubleError } from '../../src/service-layer/unit-of-work.ts';
import { over } from '../support/over.ts';

/*
 * EXPECTED UNTIL IT IS MENDED: on PostgreSQL two lanes can park a command behind one that the other
 * lane is just answering. `answer-batch.ts` reads what is parked before it has locked the products;
 * and where two commands have only an order or a batch in common, no product is locked at all
 * (docs/decisions/0030).
 *
 * So that the simulation finds everything else, its lanes look again before they park something,
 * and run the transaction anew if what stood in the way is gone. The planted bug `what is parked is
 * read before the products are locked` shows what happens otherwise: it is today's service.
 *
 * Once the service looks again itself, delete this file and its one use in `history.ts`.
 */

/** The lane store runs the transaction again, as after a serialization failure. */
const RUN_AGAIN = Object.assign(new Error('What stood in the way is gone'), { code: '40001' });

/** Makes a lane's transactions park nothing behind what is not parked any more. */
export function readingParkedAgain(store: LaneStore): LaneStore {
  return over(store, {
    transaction: (lane, expected, work) =>
      store.transaction(lane, expected, (transaction) => {
        let seen: readonly ParkedCommand[] = [];
        const readParked = async () => {
          seen = await transaction.readParked();
          return seen;
        };
        const writeParked: typeof transaction.writeParked = async (changes) => {
          if (changes.parked.some(({ behind }) => behind.length > 0)) {
            // Waits for whoever is about to answer one of them.
            const there = await (transaction as SqlUnitOfWork).sql('select id from parked_commands order by position for update');
            if (there.length < seen.length) throw new TroubleError(RUN_AGAIN.message, { cause: RUN_AGAIN });
          }
          return transaction.writeParked(changes);
        };
        return work(over(transaction, { readParked, writeParked }));
      }),
  });
}
