import type { SqlEntityManager } from '@mikro-orm/sqlite';
import type { Dialect } from '../connection/database-url.ts';
import type { Sql } from '../transaction.ts';
import { SqlBatchRepository } from './batch-repository.ts';
import { SqlOrderLineRepository } from './order-line-repository.ts';
import { StockReader } from './stock-reader.ts';

/** The repositories of a transaction that only reads. They lock nothing and write nothing. */
export class SqlStockSnapshot {
  readonly batches: SqlBatchRepository;
  readonly orderLines: SqlOrderLineRepository;

  /** @param maxLines how many lines to load of a batch, the oldest ones */
  constructor(entityManager: SqlEntityManager, sql: Sql, dialect: Dialect, maxLines: number) {
    this.batches = new SqlBatchRepository(new StockReader(entityManager, sql, dialect, maxLines));
    this.orderLines = new SqlOrderLineRepository(sql);
  }
}
