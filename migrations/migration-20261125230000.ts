import { Migration } from '@mikro-orm/migrations';

/** Commands that failed, and those that must not overtake them. */
export class Migration20261125230000 extends Migration {
  override up(): void {
    this.addSql(
      `create table parked_commands (id text not null primary key, subjects text not null, behind text not null,
        position bigint not null, is_redriven int not null)`,
    );
  }

  override down(): void {
    this.addSql('drop table parked_commands');
  }
}
