import { Migration } from '@mikro-orm/migrations';

/** The columns with the names of products, batches and orders. */
const NAMES = {
  products: ['sku'],
  batches: ['reference', 'sku'],
  order_lines: ['orderid', 'sku'],
};

/**
 * Lets PostgreSQL sort names by their code points, as SQLite does. The indexes of the names then
 * find all names with the same beginning, in every locale.
 */
export class Migration20261128050000 extends Migration {
  override up(): void {
    this.#sortBy('"C"');
  }

  override down(): void {
    this.#sortBy('"default"');
  }

  #sortBy(collation: string): void {
    if (this.driver.getPlatform().constructor.name === 'SqlitePlatform') return;
    for (const [table, columns] of Object.entries(NAMES)) {
      const changes = columns.map((name) => `alter column ${name} type text collate ${collation}`);
      this.addSql(`alter table ${table} ${changes.join(', ')}`);
    }
  }
}
