import type { Kafka } from 'kafkajs';
import { Database } from '../../src/adapters/database/database.ts';
import type { History, StockTables } from './check-history.ts';
import { readTopic } from './topic-reader.ts';

/** What there is to read of a run at rest: three topics, the tables, the group's offsets. */
export async function readHistory(
  kafka: Kafka,
  topics: { readonly commands: string; readonly events: string; readonly deadLetters: string },
  group: string,
  databaseUrl: string,
): Promise<History> {
  const read = async (topic: string) => (await readTopic(kafka, topic)).map((record) => ({ ...record, topic }));
  const admin = kafka.admin();
  await admin.connect();
  const [committed] = await admin.fetchOffsets({ groupId: group, topics: [topics.commands] });
  await admin.disconnect();
  return {
    commands: await read(topics.commands),
    events: await read(topics.events),
    deadLetters: await read(topics.deadLetters),
    committedOffsets: new Map(committed?.partitions.map(({ partition, offset }) => [partition, Math.max(0, Number(offset))])),
    tables: await readTables(databaseUrl),
  };
}

/** Of the service only the connection. */
async function readTables(url: string): Promise<StockTables> {
  const database = await Database.open(url);
  const tables = await stockTables((statement) => database.query(statement));
  await database.close();
  return tables;
}

/** The tables, by plain statements. */
export async function stockTables(select: <Row>(statement: string) => Promise<Row[]>): Promise<StockTables> {
  return {
    products: await select<StockTables['products'][number]>('select sku, version from products'),
    batches: await select<StockTables['batches'][number]>(
      'select reference, sku, quantity, eta, allocated_quantity as allocated from batches',
    ),
    lines: await select<StockTables['lines'][number]>(
      `select order_lines.orderid, order_lines.sku, order_lines.qty, batches.reference as batchref from allocations
       join order_lines on order_lines.id = allocations.orderline_id join batches on batches.id = allocations.batch_id`,
    ),
    processedIds: new Set((await select<{ id: string }>('select id from processed_commands')).map(({ id }) => id)),
    positions: (
      await select<{ topic: string; partition: number; next_offset: number }>('select topic, partition, next_offset from source_positions')
    ).map(({ next_offset: nextOffset, ...lane }) => ({ ...lane, nextOffset })),
  };
}
