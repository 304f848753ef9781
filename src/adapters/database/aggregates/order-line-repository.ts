import { OrderLine } from '../../../domain/model.ts';
import type { Sql } from '../transaction.ts';
import type { Repository } from './repository.ts';

/** Single order lines, allocated or not. */
export class SqlOrderLineRepository
  implements Repository<OrderLine, Pick<OrderLine, 'orderid' | 'sku'>>
{
  readonly #sql: Sql;
  readonly #added: OrderLine[] = [];

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  add(line: OrderLine): void {
    this.#added.push(line);
  }

  /** The lines that were added since the session began. */
  get added(): readonly OrderLine[] {
    return this.#added;
  }

  async get({ orderid, sku }: Pick<OrderLine, 'orderid' | 'sku'>): Promise<OrderLine | null> {
    const added = this.#added.find((line) => line.orderid === orderid && line.sku === sku);
    if (added) return added;
    const [row] = await this.#sql<{ qty: number }>(
      'select qty from order_lines where orderid = ? and sku = ?',
      [orderid, sku],
    );
    return row ? new OrderLine(orderid, sku, row.qty) : null;
  }
}
