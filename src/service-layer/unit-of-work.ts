import type { Command } from '../domain/commands.ts';
import type { Product } from '../domain/product.ts';

/**
 * Loads products within one unit of work. The same product is the same object each time. The unit
 * of work writes new and changed products when it commits.
 *
 * Each method that loads throws `TroubleError` if the database cannot be reached.
 */
export interface ProductRepository {
  /** Adds a new product. */
  add(product: Product): void;
  /** Loads the product; null: no batch of the sku was ever created. */
  get(sku: string): Promise<Product | null>;
  /** Loads the product of the batch; null: there is no such batch. */
  getByBatchReference(reference: string): Promise<Product | null>;
  /**
   * Loads every product on which the order has an allocated line, in the order of the skus. For an
   * order with more than `MAX_LINES_LET_GO` lines, returns at least one product more than that.
   */
  getByOrder(orderid: string): Promise<readonly Product[]>;
}

/** One transaction: all of its changes become true together, or none of them does. */
export interface UnitOfWork {
  readonly products: ProductRepository;
  /**
   * Loads what these commands need, with a bounded number of queries. The repository's methods then
   * find everything in memory. Call this method once, before anything else is loaded.
   *
   * @throws {TooMuchAtOnceError} several commands need too much together; try fewer of them
   * @throws {TroubleError} the database cannot be reached
   */
  prepare(commands: readonly Command[]): Promise<void>;
  /**
   * Runs `work` after the transaction has committed. If the transaction does not commit, `work`
   * does not run. A failure of `work` is logged, and undoes nothing.
   */
  afterCommit(work: () => void | Promise<void>): void;
}
