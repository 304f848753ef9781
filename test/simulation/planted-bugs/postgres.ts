import { setTimeout as sleep } from 'node:timers/promises';
import type { SqlUnitOfWork } from '../../../src/adapters/database/aggregates/sql-unit-of-work.ts';
import { STATEMENT_TIMEOUT_MS } from '../../../src/adapters/database/connection/database-limits.ts';
import type { Sql } from '../../../src/adapters/database/database.ts';
import { codeOf } from '../../../src/adapters/database/errors.ts';
import type { Product } from '../../../src/domain/product.ts';
import { TroubleError } from '../../../src/service-layer/errors.ts';
import type { LaneProgress } from '../../../src/service-layer/lane-store.ts';
import { joinPatterns } from '../../support/join-patterns.ts';
import { over } from '../../support/over.ts';
import type { Connection } from '../postgres-connection.ts';
import { inTransaction, type Parts, stating, withDatabase, withStore } from './planting.ts';

/**
 * Bugs that show where transactions of several lanes are open at once, or where a connection goes
 * silent.
 */
export const postgresPlants = {
  // Locks.
  'products are neither locked nor compared': (parts) =>
    stating(parts, (statement) =>
      isLockOfProducts(statement)
        ? statement.replace('for update', '')
        : statement.replace('and products.version = changed.loaded', ''),
    ),
  'products are locked after their batches are read': (parts) =>
    withDatabase(parts, {
      sql: readingBatchesFirst,
    }),
  "a lane's row is read, and not locked": (parts) =>
    stating(parts, (statement) => {
      const columns = READS_POSITION.exec(statement)?.[1];
      return columns === undefined
        ? statement
        : `select ${columns} from source_positions where topic = ? and partition = ?`;
    }),
  'ids are claimed without the unique key': (parts) =>
    inTransaction(parts, (transaction) => ({
      claim: async (ids) => {
        const { sql } = transaction as SqlUnitOfWork;
        const marks = ids.map(() => '?').join(', ');
        const found = await sql<{ id: string }>(
          `select id from processed_commands where scope <> 2 and id in (${marks})`,
          ids,
        );
        await transaction.claim(ids);
        return new Set(ids).difference(new Set(found.map(({ id }) => id)));
      },
    })),

  // A transaction is undone for another one's sake.
  'a transaction that is run again does not do its work again': (parts) =>
    withStore(parts, {
      transaction: (lane, expected, work) => {
        let done: Promise<LaneProgress> | undefined;
        return parts.store.transaction(lane, expected, (transaction) => {
          done ??= work(transaction);
          return done;
        });
      },
    }),
  'a transaction that is run again keeps the products of the one before': (parts) =>
    withStore(parts, {
      transaction: (lane, expected, work) => {
        const kept = new Map<string, Product | null>();
        return parts.store.transaction(lane, expected, (transaction) => {
          const get = async (sku: string) => {
            const product = kept.get(sku) ?? (await transaction.products.get(sku));
            kept.set(sku, product);
            return product;
          };
          return work(over(transaction, { products: over(transaction.products, { get }) }));
        });
      },
    }),
  'a transaction that was undone at its commit is taken for committed': (parts) =>
    answeringFor(parts, 'commit', (error) => codeOf(error) === '40001'),
  'a transaction is not rolled back when its work fails': (parts) =>
    answeringFor(parts, 'rollback'),

  // Connections break, or go silent.
  'a commit whose answer is lost is taken for done': (parts) =>
    answeringFor(parts, 'commit', (error) => !/^40/.test(codeOf(error))),
  'a commit whose answer is lost is taken for undone': (parts) =>
    withStore(parts, {
      transaction: async (lane, expected, work) => {
        let isDone = false;
        const noted: typeof work = (transaction) =>
          work(transaction).then((progress) => {
            isDone = true;
            return progress;
          });
        try {
          return await parts.store.transaction(lane, expected, noted);
        } catch (error) {
          if (!isDone || !(error instanceof TroubleError)) throw error;
          return parts.store.transaction(lane, await parts.store.readPosition(lane), work);
        }
      },
    }),
  'nobody notices a silent connection': (parts) => withDatabase(parts, { isUnwatched: true }),
  'a silent connection is used again': (parts) =>
    withDatabase(parts, { isUnwatched: true, connection: usedAgain }),
  'a lane does not open anew after a silent connection': (parts) =>
    withStore(parts, {
      transaction: (lane, expected, work) =>
        parts.store.transaction(lane, expected, work).catch((error: Error) => {
          if (!error.message.includes('has not answered')) throw error;
          return new Promise(() => {});
        }),
    }),
} satisfies Record<string, (parts: Parts) => Parts>;

function isLockOfProducts(statement: string): boolean {
  return statement.includes('from products') && statement.includes('for update');
}

/** Reads batches before the lock of their products is waited for, and keeps these. */
function readingBatchesFirst(sql: Sql): Sql {
  const former = new Map<string, object>();
  const read = async (statement: string, parameters: Parameters<Sql>[1] = []) => {
    if (isLockOfProducts(statement)) {
      const skus: readonly string[] = JSON.parse(String(parameters?.[0])).flat();
      const places = skus.map(() => '?').join(', ');
      const batches = `select ${BATCH} from batches where sku in (${places})`;
      for (const batch of await sql<{ reference: string }>(batches, skus))
        former.set(batch.reference, batch);
    }
    const rows = await sql<{ reference: string }>(statement, parameters);
    return READS_BATCHES.test(statement)
      ? rows.map((row) => ({ ...row, ...former.get(row.reference) }))
      : rows;
  };
  return Object.assign(read as Sql, { run: sql.run });
}

const BATCH = 'id, reference, sku, quantity, eta, allocated_quantity';
const READS_POSITION = joinPatterns(
  /^\s*insert into source_positions[\s\S]+/,
  /set next_offset = source_positions\.next_offset\s+returning ([\s\S]+)$/,
);
const READS_BATCHES =
  /^\s*select id, reference, (?:batches\.)?sku, quantity, eta, allocated_quantity\s/;

/** Answers a statement in the server's place: at once, or when it fails in a certain way. */
function answeringFor(
  parts: Parts,
  statement: string,
  isMeant?: (error: unknown) => boolean,
): Parts {
  const nothing = { rows: [], changes: 0 };
  const spoil = (connection: Connection) => {
    const query = connection.query.bind(connection);
    connection.query = async (text, parameters) => {
      if (text !== statement) return query(text, parameters);
      if (!isMeant) return nothing;
      return query(text, parameters).catch((error: unknown) => {
        if (!isMeant(error)) throw error;
        return nothing;
      });
    };
  };
  return withDatabase(parts, { connection: spoil });
}

/** Ends a query as the driver's own `query_timeout` does, and keeps the connection. */
function usedAgain(connection: Connection): void {
  const query = connection.query.bind(connection);
  const timeout = async () => {
    await sleep(STATEMENT_TIMEOUT_MS);
    throw new Error('Query read timeout');
  };
  connection.query = (text, parameters) => Promise.race([query(text, parameters), timeout()]);
}
