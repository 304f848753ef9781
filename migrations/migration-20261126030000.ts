import { Migration } from '@mikro-orm/migrations';

/**
 * Records which lane wrote a product last, and what must be published before an outbox row. With
 * these columns, answers go out in the order in which they were decided.
 */
export class Migration20261126030000 extends Migration {
  override up(): void {
    this.addSql('alter table products add column source_topic text null');
    this.addSql('alter table products add column source_partition int null');
    this.addSql('alter table products add column next_offset bigint null');
    this.addSql(`alter table outbox add column rests_on text not null default '[]'`);
  }

  override down(): void {
    this.addSql('alter table outbox drop column rests_on');
    for (const column of ['next_offset', 'source_partition', 'source_topic'])
      this.addSql(`alter table products drop column ${column}`);
  }
}
