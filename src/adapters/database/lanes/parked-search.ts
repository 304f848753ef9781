import { scopeOf } from '../../../domain/command-scopes.ts';
import { idOf } from '../../../domain/identity.ts';
import { SKU, subjectsNamedBy } from '../../../domain/subjects.ts';
import type { IdentifiedCommand } from '../../../service-layer/parked-command.ts';
import type { Dialect } from '../connection/database-url.ts';
import { jsonRows } from '../json-rows.ts';
import type { Sql } from '../transaction.ts';

/** The columns that identify a row of `parked_commands`. */
export interface ParkedKey {
  readonly id: string;
  readonly identity: string;
}

/**
 * Finds the parked commands that matter to some commands:
 *
 * - their own rows;
 * - rows about the same subjects;
 * - rows about products of parked commands that name the same batch or order.
 */
export class ParkedSearch {
  readonly #keys: string;
  readonly #parameters: readonly string[];

  constructor(dialect: Dialect, commands: readonly IdentifiedCommand[]) {
    const subjects = new Set<string>();
    const references = new Set<string>();
    const orderids = new Set<string>();
    for (const { command } of commands) {
      for (const subject of subjectsNamedBy(command)) subjects.add(subject);
      const scope = scopeOf(command);
      if (!scope.hasUnnamedProducts(command)) continue;
      const [reference, orderid] = [scope.batch(command), scope.order(command)];
      if (reference !== null) references.add(reference);
      if (orderid !== null) orderids.add(orderid);
    }
    const ids = new Set(commands.map(({ identity }) => idOf(identity)));
    this.#parameters = [subjects, references, orderids, ids].map((names) =>
      JSON.stringify([...names].map((name) => [name])),
    );
    this.#keys = keysQuery(jsonRows(dialect, { name: 'text' }));
  }

  /** Tells whether any parked command matters. */
  async hasMatch(sql: Sql): Promise<boolean> {
    const query = `${this.#keys} select 1 as found from keys limit 1`;
    return (await sql(query, this.#parameters)).length > 0;
  }

  /**
   * Returns the keys of the parked commands that matter. Another statement reads their rows,
   * because PostgreSQL would read the whole table for them in this one.
   */
  find(sql: Sql): Promise<readonly ParkedKey[]> {
    return sql<ParkedKey>(`${this.#keys} select id, identity from keys`, this.#parameters);
  }
}

/**
 * Returns the common table expressions that end with `keys (id, identity)`.
 *
 * `cross join` makes SQLite keep this order of the tables. With another order, SQLite would read
 * all of `parked_subjects`.
 * @param rows a table of one parameter, with the column `name`
 */
function keysQuery(rows: string): string {
  return `
    with own (subject) as (
      select name from ${rows} as named
      union select '${SKU}' || batches.sku from ${rows} as named
        join batches on batches.reference = named.name
      union select '${SKU}' || order_lines.sku from ${rows} as named
        join order_lines on order_lines.orderid = named.name),
    wanted (subject) as (
      select subject from own
      union select products.subject from own
        cross join parked_subjects as names cross join parked_subjects as products
        where names.subject = own.subject and names.subject not like '${SKU}%'
          and products.id = names.id and products.identity = names.identity
          and products.subject like '${SKU}%'),
    keys (id, identity) as (
      select parked_subjects.id, parked_subjects.identity from wanted
        cross join parked_subjects where parked_subjects.subject = wanted.subject
      union select parked_commands.id, parked_commands.identity from ${rows} as named
        join parked_commands on parked_commands.id = named.name)`;
}
