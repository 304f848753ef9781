import { sqliteFile } from '../connection/database-url.ts';
import type { Database } from '../database.ts';

/** A difference between the events' stock and a database's stock. */
export interface StockDifference {
  readonly kind: DifferenceKind;
  /** What the difference is about, in words. */
  readonly subject: string;
  readonly expected: string;
  readonly found: string;
  /** The newest event about the subject: its id and its place in the topic. Null: there is none. */
  readonly event: string | null;
}

export type DifferenceKind = keyof typeof DIFFERENCES;

interface DifferenceRow {
  readonly subject: string;
  readonly sku: string | null;
  readonly reference: string | null;
  readonly orderid: string | null;
  readonly expected: string;
  readonly found: string;
}

/** Compares the stock that events were folded into with another database's stock, kind by kind. */
export class StockComparison {
  readonly #expected: Database;

  private constructor(expected: Database) {
    this.#expected = expected;
  }

  /**
   * Opens the comparison.
   * @param expected a SQLite database with staged events, before or after the fold
   * @param actualUrl a SQLite file that no other process uses
   */
  static async open(expected: Database, actualUrl: string): Promise<StockComparison> {
    await expected.query('attach database ? as actual', [sqliteFile(actualUrl)]);
    for (const side of ['main', 'actual'])
      await expected.query(`create temp view ${side}_lines as ${linesOf(side)}`);
    return new StockComparison(expected);
  }

  /**
   * Removes the stock of incomplete products from both sides. A product is incomplete if its events
   * have gaps, or if the other database has a later version. The comparison then covers only its
   * version, which must be at least the sequence of its newest event. Call this before the fold.
   * @returns the number of incomplete products
   */
  async leaveOutIncomplete(): Promise<number> {
    await this.#expected.query(
      `create temp table incomplete as
       select sku, max(coalesce(version, 0), coalesce(newest, 0)) as version from (
         select coalesce(actual.sku, seen.sku) as sku, actual.version, seen.newest, seen.count
         from (
           select sku, max(sequence) as newest, count(*) as count
           from main.replay_events group by sku
         ) as seen
         full join actual.products as actual on actual.sku = seen.sku
       ) as product
       where coalesce(count, 0) <> coalesce(newest, 0)
         or coalesce(version, 0) > coalesce(newest, 0)`,
    );
    await this.#expected.query(
      'insert into main.products (sku, version) select sku, version from incomplete',
    );
    await this.#expected.query(
      'delete from main.replay_events where sku in (select sku from incomplete)',
    );
    await this.#expected.query(
      `delete from actual.allocations where orderline_id in (
         select id from actual.order_lines where sku in (select sku from incomplete))
       or batch_id in (select id from actual.batches where sku in (select sku from incomplete))`,
    );
    for (const table of ['order_lines', 'batches']) {
      await this.#expected.query(
        `delete from actual.${table} where sku in (select sku from incomplete)`,
      );
    }
    const [row] = await this.#expected.query<{ count: number }>(
      'select count(*) as count from incomplete',
    );
    return row?.count ?? 0;
  }

  /**
   * Returns the number of differences of each kind. A kind without differences has no entry.
   * @param signal checked between the kinds
   * @throws the signal's reason
   */
  async counts(signal: AbortSignal): Promise<ReadonlyMap<DifferenceKind, number>> {
    const counts = new Map<DifferenceKind, number>();
    for (const kind of Object.keys(DIFFERENCES) as DifferenceKind[]) {
      signal.throwIfAborted();
      const [row] = await this.#expected.query<{ count: number }>(
        `select count(*) as count from (${DIFFERENCES[kind]})`,
      );
      if (row && row.count > 0) counts.set(kind, row.count);
    }
    return counts;
  }

  /** Returns the first differences of a kind. */
  async first(kind: DifferenceKind, atMost: number): Promise<readonly StockDifference[]> {
    const rows = await this.#expected.query<DifferenceRow>(
      `select * from (${DIFFERENCES[kind]}) order by subject limit ?`,
      [atMost],
    );
    const differences: StockDifference[] = [];
    for (const { subject, expected, found: is, ...about } of rows) {
      differences.push({
        kind,
        subject,
        expected,
        found: is,
        event: await this.#eventAbout(about),
      });
    }
    return differences;
  }

  /** Returns the newest event about the subject. */
  async #eventAbout({
    sku,
    reference,
    orderid,
  }: Pick<DifferenceRow, 'sku' | 'reference' | 'orderid'>): Promise<string | null> {
    const [event] = await this.#expected.query<{ id: string; place: string }>(
      `select id, source_partition || '/' || source_offset as place from replay_events
       where (? is null or sku = ?) and (? is null or reference = ?) and (? is null or orderid = ?)
       order by sequence desc limit 1`,
      [sku, sku, reference, reference, orderid, orderid],
    );
    return event ? `${event.id} at ${event.place}` : null;
  }
}

function linesOf(side: string): string {
  return `select order_lines.orderid, order_lines.sku, order_lines.qty, batches.reference,
      row_number() over (partition by batches.id order by allocations.id) as place
    from ${side}.order_lines
    left join ${side}.allocations on allocations.orderline_id = order_lines.id
    left join ${side}.batches on batches.id = allocations.batch_id`;
}

/** Returns a query for rows of both sides that differ in one column. */
function columnDifference(
  table: 'products' | 'batches',
  key: string,
  column: string,
  word: string,
): string {
  const about =
    table === 'batches' ? 'expected.sku, expected.reference' : 'expected.sku, null as reference';
  const noun = table === 'batches' ? 'batch' : 'product';
  return `select '${noun} ' || expected.${key} as subject, ${about}, null as orderid,
      '${word} ' || coalesce(expected.${column}, 'none') as expected,
      '${word} ' || coalesce(actual.${column}, 'none') as found
    from main.${table} as expected join actual.${table} as actual on actual.${key} = expected.${key}
    where actual.${column} is not expected.${column}`;
}

const LINE =
  "'order ' || line.orderid || ' of ' || line.sku as subject, " +
  'line.sku, null as reference, line.orderid';
const STOCK = (line: string) =>
  `${line}.qty || ' from ' || coalesce(${line}.reference, 'no batch')`;
const IS_SAME_LINE = 'other.orderid = line.orderid and other.sku = line.sku';

/** One query per kind of difference. Each returns `DifferenceRow`s. */
const DIFFERENCES = {
  'product-missing': `select 'product ' || sku as subject, sku, null as reference,
      null as orderid, 'version ' || version as expected, 'nothing' as found
    from main.products where sku not in (select sku from actual.products)`,
  'product-unexpected': `select 'product ' || sku as subject, sku, null as reference,
      null as orderid, 'nothing' as expected, 'version ' || version as found
    from actual.products where sku not in (select sku from main.products)`,
  'product-version': columnDifference('products', 'sku', 'version', 'version'),
  'batch-missing': `select 'batch ' || reference as subject, sku, reference, null as orderid,
      quantity || ' of ' || sku as expected, 'nothing' as found
    from main.batches where reference not in (select reference from actual.batches)`,
  'batch-unexpected': `select 'batch ' || reference as subject, sku, reference, null as orderid,
      'nothing' as expected, quantity || ' of ' || sku as found
    from actual.batches where reference not in (select reference from main.batches)`,
  'batch-sku': columnDifference('batches', 'reference', 'sku', 'sku'),
  'batch-quantity': columnDifference('batches', 'reference', 'quantity', 'quantity'),
  'batch-eta': columnDifference('batches', 'reference', 'eta', 'eta'),
  'batch-allocated-quantity': columnDifference(
    'batches',
    'reference',
    'allocated_quantity',
    'allocated quantity',
  ),
  'allocation-missing': `select ${LINE}, ${STOCK('line')} as expected, 'nothing' as found
    from main_lines as line
    where not exists (select 1 from actual.order_lines as other where ${IS_SAME_LINE})`,
  'allocation-unexpected': `select ${LINE}, 'nothing' as expected, ${STOCK('line')} as found
    from actual_lines as line
    where not exists (select 1 from main.order_lines as other where ${IS_SAME_LINE})`,
  'allocation-differs': `select ${LINE}, ${STOCK('line')} as expected, ${STOCK('other')} as found
    from main_lines as line join actual_lines as other on ${IS_SAME_LINE}
    where other.qty <> line.qty or other.reference is not line.reference`,
  'allocation-order': `select ${LINE},
      'number ' || line.place || ' in ' || line.reference as expected,
      'number ' || other.place as found
    from main_lines as line
    join actual_lines as other on ${IS_SAME_LINE} and other.reference = line.reference
    where other.place <> line.place
      and (select count(*) from main.allocations) = (select count(*) from actual.allocations)`,
  'answered-command-missing': `select 'command ' || id as subject, null as sku,
      null as reference, null as orderid, 'answered' as expected, 'not answered' as found
    from main.processed_commands where id not in (select id from actual.processed_commands)`,
} as const;
