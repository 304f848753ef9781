import { Migration } from '@mikro-orm/migrations';

/** Creates the first schema, with the same tables on SQLite and on PostgreSQL. */
export class Migration20261123120000 extends Migration {
  override up(): void {
    const isSqlite = this.driver.getPlatform().constructor.name === 'SqlitePlatform';
    const id = isSqlite
      ? 'id integer not null primary key autoincrement'
      : 'id bigserial primary key';
    const key = isSqlite ? 'integer' : 'bigint';
    const tables = [
      `products (sku text not null primary key, version bigint not null)`,
      `batches (${id}, reference text not null, sku text not null, quantity bigint not null, eta text null, allocated_quantity bigint not null)`,
      `order_lines (${id}, orderid text not null, sku text not null, qty bigint not null)`,
      `allocations (${id},
        batch_id ${key} not null, orderline_id ${key} not null,
        constraint allocations_batch_id_foreign foreign key (batch_id) references batches (id) on update no action on delete no action,
        constraint allocations_orderline_id_foreign foreign key (orderline_id) references order_lines (id) on update no action on delete no action)`,
      `source_positions (topic text not null, partition int not null, next_offset bigint not null, next_sequence bigint not null,
        log_id text null, primary key (topic, partition))`,
      `processed_commands (id text not null primary key)`,
      `outbox (source_topic text not null, source_partition int not null, sequence bigint not null, source_offset bigint not null,
        topic text not null, key text null, value text null, headers text not null, encoding text not null,
        primary key (source_topic, source_partition, sequence))`,
      `log_identity (id text not null primary key)`,
      `log_topics (name text not null primary key, partitions int not null, max_message_bytes int not null)`,
      `log_records (topic text not null, partition int not null, record_offset bigint not null, timestamp_ms bigint not null,
        key text null, value text null, headers text not null, encoding text not null, primary key (topic, partition, record_offset))`,
      `log_group_offsets (group_id text not null, topic text not null, partition int not null, next_offset bigint not null,
        primary key (group_id, topic, partition))`,
      `log_producers (transactional_id text not null primary key, epoch int not null)`,
      `log_group_leases (group_id text not null, topic text not null, member_id text not null, leased_until_ms bigint not null,
        primary key (group_id, topic))`,
    ];
    for (const table of tables) this.addSql(`create table ${table}`);
    for (const [table, name, columns] of [
      ['batches', 'batches_reference_unique', 'reference'],
      ['order_lines', 'order_lines_orderid_sku_unique', 'orderid, sku'],
      ['allocations', 'allocations_orderline_id_unique', 'orderline_id'],
    ]) {
      this.addSql(
        isSqlite
          ? `create unique index ${name} on ${table} (${columns})`
          : `alter table ${table} add constraint ${name} unique (${columns})`,
      );
    }
    this.addSql('create index batches_sku_index on batches (sku)');
    this.addSql('create index allocations_batch_id_index on allocations (batch_id)');
  }

  override down(): void {
    for (const table of [
      'allocations',
      'order_lines',
      'batches',
      'products',
      'source_positions',
      'processed_commands',
      'outbox',
    ]) {
      this.addSql(`drop table ${table}`);
    }
    for (const table of [
      'log_identity',
      'log_topics',
      'log_records',
      'log_group_offsets',
      'log_producers',
      'log_group_leases',
    ]) {
      this.addSql(`drop table ${table}`);
    }
  }
}
