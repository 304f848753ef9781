import { Migration } from '@mikro-orm/migrations';

/**
 * Records what a lane's position rests on:
 *
 * - the leader epoch of the last handled record;
 * - the consumer group that opened the lane last;
 * - the former group, until it is settled what that group published.
 *
 * A lane from a former release keeps that release's form of transactional id. Instances of the
 * former release may still run, and fence through that id alone.
 */
export class Migration20261126150000 extends Migration {
  override up(): void {
    this.addSql('alter table source_positions add column leader_epoch int null');
    this.addSql('alter table source_positions add column owner_group text null');
    this.addSql('alter table source_positions add column former_group text null');
    this.addSql('alter table source_positions add column has_former_id int not null default 1');
  }

  override down(): void {
    for (const column of ['has_former_id', 'former_group', 'owner_group', 'leader_epoch']) {
      this.addSql(`alter table source_positions drop column ${column}`);
    }
  }
}
