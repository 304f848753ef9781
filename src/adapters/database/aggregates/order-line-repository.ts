import { OrderLine } from '../../../domain/order-line.ts';
import type { Sql } from '../transaction.ts';
import { SqlRepository } from './repository.ts';

type LineKey = Pick<OrderLine, 'orderid' | 'sku'>;

/** Single order lines, allocated or not. A line never changes, so only new lines are written. */
export class SqlOrderLineRepository extends SqlRepository<OrderLine, LineKey, true> {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    super();
    this.#sql = sql;
  }

  protected override async load({ orderid, sku }: LineKey): Promise<OrderLine | null> {
    const [row] = await this.#sql<{ qty: number }>(
      'select qty from order_lines where orderid = ? and sku = ?',
      [orderid, sku],
    );
    return row ? new OrderLine(orderid, sku, row.qty) : null;
  }

  protected override keyOf(line: OrderLine): LineKey {
    return line;
  }

  protected override nameOf({ orderid, sku }: LineKey): string {
    return JSON.stringify([orderid, sku]);
  }

  protected override storedOf(): true {
    return true;
  }

  protected override hasChanged(): boolean {
    return false;
  }
}
