import { Migration } from '@mikro-orm/migrations';

/**
 * What a lane's position rests on: the leader epoch of its last handled record, the consumer group that opened the lane
 * last, and the group before it while what that one published is not settled.
 */
export class Migration20261126150000 extends Migration {
  override up(): void {
    this.addSql('alter table source_positions add column leader_epoch int null');
    this.addSql('alter table source_positions add column owner_group text null');
    this.addSql('alter table source_positions add column former_group text null');
  }

  override down(): void {
    for (const column of ['former_group', 'owner_group', 'leader_epoch']) {
      this.addSql(`alter table source_positions drop column ${column}`);
    }
  }
}
