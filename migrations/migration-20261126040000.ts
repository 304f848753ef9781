import { Migration } from '@mikro-orm/migrations';

/** A database that is being rebuilt, or shows the past, is marked: no service runs on it. */
export class Migration20261126040000 extends Migration {
  override up(): void {
    this.addSql('create table rebuilds (state text not null primary key, plan text not null)');
  }

  override down(): void {
    this.addSql('drop table rebuilds');
  }
}
