import { EmbeddedBroker } from '../../src/adapters/broker/embedded/broker.ts';
import { Database } from '../../src/adapters/database/database.ts';
import type { ReceivedRecord } from '../../src/service-layer/records.ts';
import type { History, HistoryRecord, StockTables } from './judge/history.ts';
import { type PlainKafka, readTopic } from './topic-reader.ts';

interface Topics {
  readonly commands: string;
  readonly events: string;
  readonly deadLetters: string;
}

/** Reads the history of a run at rest: three topics, the tables, and the offsets of the group. */
export async function readHistory(
  kafka: PlainKafka,
  topics: Topics,
  group: string,
  databaseUrl: string,
): Promise<History> {
  const read = async (topic: string) =>
    (await readTopic(kafka, topic)).map((record) => ({ ...record, topic }));
  const admin = kafka.admin();
  await admin.connect();
  const [committed] = await admin.fetchOffsets({ groupId: group, topics: [topics.commands] });
  const ends = await admin.fetchTopicOffsets(topics.commands);
  const starts = async (topic: string) =>
    new Map(
      (await admin.fetchTopicOffsets(topic)).map(({ partition, low }) => [partition, Number(low)]),
    );
  const logStarts = {
    commands: await starts(topics.commands),
    events: await starts(topics.events),
    deadLetters: await starts(topics.deadLetters),
  };
  await admin.disconnect();
  return {
    commands: await read(topics.commands),
    events: await read(topics.events),
    deadLetters: await read(topics.deadLetters),
    committedOffsets: new Map(
      committed?.partitions.map(({ partition, offset }) => [
        partition,
        Math.max(0, Number(offset)),
      ]),
    ),
    ends: new Map(ends.map(({ partition, high }) => [partition, Number(high)])),
    starts: logStarts,
    tables: await readTables(databaseUrl),
  };
}

/** Reads the history of a run on the embedded log, which only code of the service can read. */
export async function readEmbeddedHistory(
  logUrl: string,
  topics: Topics,
  group: string,
  databaseUrl: string,
): Promise<History> {
  const database = await Database.open(logUrl);
  const broker = new EmbeddedBroker(database);
  const history = {
    commands: await readEmbeddedTopic(broker, topics.commands),
    events: await readEmbeddedTopic(broker, topics.events),
    deadLetters: await readEmbeddedTopic(broker, topics.deadLetters),
    committedOffsets: new Map(
      (await broker.committedOffsets(group, topics.commands)).map((offset, partition) => [
        partition,
        offset ?? 0,
      ]),
    ),
    ends: new Map(
      (await broker.offsetRanges(topics.commands)).map(({ partition, end }) => [partition, end]),
    ),
  };
  await broker.close();
  await database.close();
  return { ...history, tables: await readTables(databaseUrl) };
}

async function readEmbeddedTopic(
  broker: EmbeddedBroker,
  topic: string,
): Promise<readonly HistoryRecord[]> {
  const count = (await broker.offsetRanges(topic)).reduce((sum, { end }) => sum + end, 0);
  const records: HistoryRecord[] = [];
  const { promise: isRead, resolve } = Promise.withResolvers<void>();
  if (count === 0) return records;
  const tail = await broker.tail(topic, 'beginning', (record) => {
    if (records.push(asHistoryRecord(record)) === count) resolve();
  });
  await isRead;
  await tail.close();
  return records;
}

/** Returns a record as the judge reads it, with headers as text. */
export function asHistoryRecord({ key, headers, ...record }: ReceivedRecord): HistoryRecord {
  return {
    ...record,
    key: key?.toString() ?? null,
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, text]) => [name, String(text)]),
    ),
  };
}

/** Reads the tables. Only the connection is code of the service. */
async function readTables(url: string): Promise<StockTables> {
  const database = await Database.open(url);
  const tables = await stockTables((statement) => database.query(statement));
  await database.close();
  return tables;
}

/** Reads the tables with plain statements. */
export async function stockTables(
  select: <Row>(statement: string) => Promise<Row[]>,
): Promise<StockTables> {
  return {
    products: await select<StockTables['products'][number]>('select sku, version from products'),
    batches: await select<StockTables['batches'][number]>(
      'select reference, sku, quantity, eta, allocated_quantity as allocated from batches',
    ),
    lines: await select<StockTables['lines'][number]>(
      `select order_lines.orderid, order_lines.sku, order_lines.qty, batches.reference as batchref
       from allocations
       join order_lines on order_lines.id = allocations.orderline_id
       join batches on batches.id = allocations.batch_id`,
    ),
    processedIds: new Set(
      (await select<{ id: string }>('select id from processed_commands where scope = 1')).map(
        ({ id }) => id,
      ),
    ),
    formerIds: new Set(
      (await select<{ id: string }>('select id from processed_commands where scope = 0')).map(
        ({ id }) => id,
      ),
    ),
    positions: await select<StockTables['positions'][number]>(
      'select topic, partition, next_offset as "nextOffset" from source_positions',
    ),
    outbox: await select<StockTables['outbox'][number]>(
      `select source_topic as topic, source_partition as partition, next_offset as "nextOffset"
       from outbox`,
    ),
    parkedIds: (await select<{ id: string }>('select id from parked_commands')).map(({ id }) => id),
  };
}
