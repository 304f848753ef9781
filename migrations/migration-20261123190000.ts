import { Migration } from '@mikro-orm/migrations';
import { ByteWriter, writeRecord } from '../src/adapters/record-bytes.ts';

type Encoding = 'utf8' | 'base64';

/** A record in the tables of the first schema. */
interface StoredRecord {
  readonly key: string | null;
  readonly value: string | null;
  /** JSON: `[[name, value, encoding], …]` */
  readonly headers: string;
  readonly encoding: Encoding;
}

interface OutboxRow extends StoredRecord {
  readonly source_topic: string;
  readonly source_partition: number;
  readonly sequence: number;
  readonly source_offset: number;
  readonly topic: string;
}

interface LogRow extends StoredRecord {
  readonly topic: string;
  readonly partition: number;
  readonly record_offset: number;
  readonly timestamp_ms: number;
}

const PAGE_ROWS = 1_000;

/**
 * Changes the outbox and the embedded log: a row keeps many records, as the bytes that go on the
 * wire. On SQLite, `processed_commands` becomes a table without row ids, which saves one tree.
 */
export class Migration20261123190000 extends Migration {
  override async up(): Promise<void> {
    const isSqlite = this.driver.getPlatform().constructor.name === 'SqlitePlatform';
    const bytes = isSqlite ? 'blob' : 'bytea';
    await this.execute('alter table outbox rename to former_outbox');
    await this.execute(
      `create table outbox (source_topic text not null, source_partition int not null, sequence bigint not null, next_offset bigint not null,
        records ${bytes} not null, primary key (source_topic, source_partition, sequence))`,
    );
    await this.execute(
      `create table log_batches (topic text not null, partition int not null, base_offset bigint not null, next_offset bigint not null,
        timestamp_ms bigint not null, records ${bytes} not null, primary key (topic, partition, base_offset))`,
    );
    await this.#moveOutbox();
    await this.#moveLog();
    await this.execute('drop table former_outbox');
    await this.execute('drop table log_records');
    if (!isSqlite) return;
    await this.execute('alter table processed_commands rename to former_processed_commands');
    await this.execute(
      'create table processed_commands (id text not null primary key) without rowid',
    );
    await this.execute(
      'insert into processed_commands (id) select id from former_processed_commands order by id',
    );
    await this.execute('drop table former_processed_commands');
  }

  /** Writes one row for each command that has waiting records. */
  async #moveOutbox(): Promise<void> {
    const rows = (await this.execute(
      'select * from former_outbox order by source_topic, source_partition, sequence',
    )) as unknown as readonly OutboxRow[];
    const byCommand = Map.groupBy(rows, (row) =>
      JSON.stringify([row.source_topic, row.source_partition, row.source_offset]),
    );
    for (const records of byCommand.values()) {
      const [first] = records;
      if (!first) continue;
      const writer = new ByteWriter();
      for (const record of records) {
        writer.varint(record.sequence - first.sequence);
        writer.varint(0);
        writer.nullableBytes(record.topic);
        writeRecord(writer, decode(record));
      }
      await this.execute('insert into outbox values (?, ?, ?, ?, ?)', [
        first.source_topic,
        first.source_partition,
        first.sequence,
        first.source_offset + 1,
        writer.bytes,
      ]);
    }
  }

  /** Moves the log page by page, because the log may be long. */
  async #moveLog(): Promise<void> {
    const partitions = await this.execute('select distinct topic, partition from log_records');
    for (const { topic, partition } of partitions as unknown as readonly LogRow[]) {
      for (let offset = 0; ; ) {
        const page = (await this.execute(
          'select * from log_records where topic = ? and partition = ? and record_offset >= ? order by record_offset limit ?',
          [topic, partition, offset, PAGE_ROWS],
        )) as unknown as readonly LogRow[];
        const [first] = page;
        if (!first) break;
        const later = page.findIndex(({ timestamp_ms }) => timestamp_ms !== first.timestamp_ms);
        const records = page.slice(0, later < 0 ? page.length : later);
        const writer = new ByteWriter();
        for (const record of records) writeRecord(writer, decode(record));
        offset = first.record_offset + records.length;
        await this.execute('insert into log_batches values (?, ?, ?, ?, ?, ?)', [
          topic,
          partition,
          first.record_offset,
          offset,
          first.timestamp_ms,
          writer.bytes,
        ]);
      }
    }
  }

  /** Refuses while the outbox or the log has records: the former tables cannot hold them. */
  override async down(): Promise<void> {
    const [kept] = (await this.execute(
      'select (select count(*) from outbox) + (select count(*) from log_batches) as count',
    )) as [{ readonly count: number | string }];
    if (Number(kept.count) > 0)
      throw new Error(
        'The former tables cannot take the records of this version: restore a copy of the database',
      );
    await this.execute('drop table outbox');
    await this.execute('drop table log_batches');
    await this.execute(
      `create table outbox (source_topic text not null, source_partition int not null, sequence bigint not null, source_offset bigint not null,
        topic text not null, key text null, value text null, headers text not null, encoding text not null,
        primary key (source_topic, source_partition, sequence))`,
    );
    await this.execute(
      `create table log_records (topic text not null, partition int not null, record_offset bigint not null, timestamp_ms bigint not null,
        key text null, value text null, headers text not null, encoding text not null, primary key (topic, partition, record_offset))`,
    );
  }
}

function decode({ key, value, headers, encoding }: StoredRecord) {
  const bytes = (text: string | null) => (text === null ? null : Buffer.from(text, encoding));
  const entries = JSON.parse(headers) as [name: string, value: string, encoding: Encoding][];
  const byName = Map.groupBy(entries, ([name]) => name);
  const values = [...byName].map(
    ([name, all]) => [name, all.map(([, text, each]) => Buffer.from(text, each))] as const,
  );
  return { key: bytes(key), value: bytes(value), headers: Object.fromEntries(values) };
}
