import { Migration } from '@mikro-orm/migrations';

/**
 * Creates the table of waiting lanes. A lane waits until other lanes have decided the commands that
 * were accepted earlier. Its row has its position, and the time at which its command was accepted.
 */
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
