import { Migration } from '@mikro-orm/migrations';

/** Creates the table of parked commands: failed commands, and commands held back behind them. */
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
