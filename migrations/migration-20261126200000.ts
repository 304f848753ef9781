import { Migration } from '@mikro-orm/migrations';

/** Lanes that wait until others have decided what was accepted before: where they stand, and when the command there was accepted. */
export class Migration20261126200000 extends Migration {
  override up(): void {
    this.addSql(
      `create table waiting_lanes (topic text not null, partition int not null, next_offset bigint not null, timestamp_ms bigint not null,
       primary key (topic, partition))`,
    );
  }

  override down(): void {
    this.addSql('drop table waiting_lanes');
  }
}
