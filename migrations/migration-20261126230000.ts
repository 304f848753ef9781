import { Migration } from '@mikro-orm/migrations';

/**
 * Lets PostgreSQL find the newest allocations of a batch without reading the others. On SQLite
 * every index already ends with the id.
 */
export class Migration20261126230000 extends Migration {
  override up(): void {
    this.#indexOn('batch_id, id');
  }

  override down(): void {
    this.#indexOn('batch_id');
  }

  #indexOn(columns: string): void {
    if (this.driver.getPlatform().constructor.name === 'SqlitePlatform') return;
    this.addSql('drop index allocations_batch_id_index');
    this.addSql(`create index allocations_batch_id_index on allocations (${columns})`);
  }
}
