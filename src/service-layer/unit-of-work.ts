import type { Command } from '../domain/commands.ts';
import type { Product } from '../domain/model.ts';

/** Loads aggregates by what commands name, and remembers new ones until the unit of work commits. */
export interface ProductRepository {
  add(product: Product): void;
  get(sku: string): Promise<Product | null>;
  /** The product that the batch `reference` belongs to. */
  getByBatchReference(reference: string): Promise<Product | null>;
  /** Every product on which the order has an allocated line, by sku; of a huge order more than `MAX_LINES_LET_GO`. */
  getByOrder(orderid: string): Promise<readonly Product[]>;
}

/** One transaction: what is done through it becomes true at once, or not at all. */
export interface UnitOfWork {
  readonly products: ProductRepository;
  /**
   * Loads, with a bounded number of queries, whatever these commands need; later `get…` calls find it in memory.
   * @throws {TooMuchAtOnceError} they are several, and need too much together
   */
  prepare(commands: readonly Command[]): Promise<void>;
  /** Runs `work` once the transaction has committed. Its failure is logged and undoes nothing. */
  afterCommit(work: () => void | Promise<void>): void;
}
