import { Migration } from '@mikro-orm/migrations';

/**
 * Creates the table that marks a database which is being rebuilt, or shows the past. No service
 * runs on a marked database.
 */
export class Migration20261126040000 extends Migration {
  override up(): void {
    this.addSql('create table rebuilds (state text not null primary key, plan text not null)');
  }

  override down(): void {
    this.addSql('drop table rebuilds');
  }
}
