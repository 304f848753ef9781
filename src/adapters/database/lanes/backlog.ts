import { SKU } from '../../../domain/subjects.ts';
import type { Database } from '../database.ts';

/** What waits in the database, for all lanes. */
export interface StoredBacklog {
  /** Each row has the answers of one transaction. */
  readonly outboxRows: number;
  readonly outboxBytes: number;
  readonly parkedCommands: number;
  readonly parkedProducts: number;
}

/** Counts what waits in the database. The statement reads no large value: `length` needs none. */
export async function readBacklog(database: Pick<Database, 'read'>): Promise<StoredBacklog> {
  const [row] = await database.read<Record<'outbox' | 'bytes' | 'parked' | 'products', number>>(
    `select
       (select count(*) from outbox) as outbox,
       (select coalesce(sum(length(records)), 0) from outbox) as bytes,
       (select count(*) from parked_commands) as parked,
       (select count(distinct subject) from parked_subjects where subject like '${SKU}%')
         as products`,
  );
  const { outbox = 0, bytes = 0, parked = 0, products = 0 } = row ?? {};
  return {
    outboxRows: outbox,
    outboxBytes: bytes,
    parkedCommands: parked,
    parkedProducts: products,
  };
}
