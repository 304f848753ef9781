import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import Database from 'better-sqlite3';
import { Kafka, logLevel } from 'kafkajs';

/*
 * The hand-written twin does the same work on the same parts with the least code, for speed alone.
 *
 * The commands that one fetch brings from a partition are one transaction of SQLite, with set-based
 * statements. Their events are one row of the outbox. The events go from memory to the thread of
 * `relay.ts`, which publishes them. A later transaction deletes the outbox row.
 */

const {
  KAFKA_BROKERS = '',
  KAFKA_GROUP_ID = '',
  COMMANDS_TOPIC = '',
  STATE_DIRECTORY = '',
} = process.env;

const database = new Database(join(STATE_DIRECTORY, 'allocation.db'));
database.pragma('journal_mode = wal');
database.pragma('synchronous = full');
database.exec(`
  create table batches (reference text primary key, sku text not null, quantity int not null,
    eta text, allocated int not null);
  create index batches_sku on batches (sku);
  create table allocations (orderid text not null, sku text not null, qty int not null,
    reference text not null, primary key (orderid, sku)) without rowid;
  create table outbox (number integer primary key, events text not null);
  create table positions (partition int primary key, next_offset int not null);
`);
const selectBatches = database.prepare(
  `select reference, sku, quantity, eta, allocated from batches
  where sku in (select value from json_each(?)) order by eta is not null, eta`,
);
const upsertBatches = database.prepare(`
  insert into batches
  select value->>0, value->>1, value->>2, value->>3, value->>4 from json_each(?) where true
  on conflict (reference) do update set allocated = excluded.allocated`);
const insertAllocations = database.prepare(
  'insert into allocations select value->>0, value->>1, value->>2, value->>3 from json_each(?)',
);
const insertOutbox = database.prepare('insert into outbox values (?, ?)');
const deletePublished = database.prepare(
  'delete from outbox where number in (select value from json_each(?))',
);
const upsertPosition = database.prepare(
  `insert into positions values (?, ?)
  on conflict do update set next_offset = excluded.next_offset`,
);

interface Command {
  readonly type: string;
  readonly id: string;
  readonly sku: string;
  readonly reference: string;
  readonly quantity: number;
  readonly eta: string | null;
  readonly orderid: string;
  readonly qty: number;
}

interface Batch {
  readonly reference: string;
  readonly sku: string;
  readonly quantity: number;
  readonly eta: string | null;
  allocated: number;
}

/** The events that one transaction of the twin hands to the relay. */
export interface Publication {
  readonly number: number;
  readonly partition: number;
  readonly nextOffset: number;
  readonly messages: readonly { key: string; value: string; headers: Record<string, string> }[];
}

const published: number[] = [];

const answer = database.transaction(
  (
    number: number,
    partition: number,
    nextOffset: number,
    commands: readonly Command[],
  ): Publication => {
    const bySku = new Map<string, Batch[]>();
    for (const { sku } of commands) bySku.set(sku, []);
    const stored = selectBatches.all(JSON.stringify([...bySku.keys()])) as Batch[];
    for (const batch of stored) bySku.get(batch.sku)?.push(batch);
    const changed = new Set<Batch>();
    const allocations: unknown[] = [];
    const messages = commands.map((command) => {
      const { id, type, sku, reference, quantity, eta, orderid, qty } = command;
      const batches = bySku.get(sku) ?? [];
      const message = (name: string, event: object) => ({
        key: sku,
        value: JSON.stringify(event),
        headers: { ce_causationid: id, ce_type: name },
      });
      if (type === 'CreateBatch') {
        const batch = { reference, sku, quantity, eta, allocated: 0 };
        const after = batches.findIndex(
          (each) => each.eta !== null && (eta === null || each.eta > eta),
        );
        batches.splice(after < 0 ? batches.length : after, 0, batch);
        changed.add(batch);
        return message('BatchCreated', { reference, sku, quantity, eta });
      }
      const batch = batches.find((each) => each.quantity - each.allocated >= qty);
      if (!batch) return message('OutOfStock', { orderid, sku, qty });
      batch.allocated += qty;
      changed.add(batch);
      allocations.push([orderid, sku, qty, batch.reference]);
      return message('Allocated', { orderid, sku, qty, batchref: batch.reference });
    });
    upsertBatches.run(
      JSON.stringify(
        [...changed].map((each) => [
          each.reference,
          each.sku,
          each.quantity,
          each.eta,
          each.allocated,
        ]),
      ),
    );
    insertAllocations.run(JSON.stringify(allocations));
    insertOutbox.run(number, JSON.stringify(messages));
    deletePublished.run(JSON.stringify(published.splice(0)));
    upsertPosition.run(partition, nextOffset);
    return { number, partition, nextOffset, messages };
  },
);

const relay = new Worker(new URL('relay.ts', import.meta.url));
const waiting = new Map<number, () => void>();
relay.on('message', (number: number) => {
  published.push(number);
  waiting.get(number)?.();
  waiting.delete(number);
});
// If the relay thread dies, the main thread must not wait for it.
relay.on('error', (error) => {
  throw error;
});

const kafka = new Kafka({ brokers: KAFKA_BROKERS.split(','), logLevel: logLevel.ERROR });
const consumer = kafka.consumer({ groupId: KAFKA_GROUP_ID, maxBytesPerPartition: 512 * 1024 });
const underWay = new Map<number, Promise<void>>();
let count = 0;

process.once('SIGTERM', async () => {
  await consumer.disconnect();
  await Promise.all(underWay.values());
  relay.postMessage(null);
  database.close();
});
await consumer.connect();
await consumer.subscribe({ topic: COMMANDS_TOPIC, fromBeginning: true });
await consumer.run({
  autoCommit: false,
  partitionsConsumedConcurrently: 4,
  eachBatch: async ({ batch: { partition, messages }, resolveOffset, heartbeat }) => {
    const commands = messages.map(({ value }) => JSON.parse(String(value)) as Command);
    const nextOffset = Number(messages.at(-1)?.offset) + 1;
    // The next transaction of a partition may run while the relay publishes the previous one.
    await underWay.get(partition);
    count += 1;
    const publication = answer(count, partition, nextOffset, commands);
    underWay.set(partition, new Promise((resolve) => waiting.set(publication.number, resolve)));
    relay.postMessage(publication);
    resolveOffset(String(nextOffset - 1));
    await heartbeat();
  },
});
process.stdout.write('ready\n');
