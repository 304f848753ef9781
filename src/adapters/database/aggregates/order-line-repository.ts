import { OrderLine } from '../../../domain/model.ts';
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

  /**
   * Returns the order's lines in the database, in the order of their skus, at most `limit`.
   * @param after the sku behind which they begin
   */
  async getByOrder(orderid: string, limit: number, after = ''): Promise<readonly OrderLine[]> {
    const rows = await this.#sql<{ sku: string; qty: number }>(
      'select sku, qty from order_lines where orderid = ? and sku > ? order by sku limit ?',
      [orderid, after, limit],
    );
    return rows.map(({ sku, qty }) => {
      const known = this.known({ orderid, sku });
      if (known) return known;
      const line = new OrderLine(orderid, sku, qty);
      this.track(line);
      return line;
    });
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
