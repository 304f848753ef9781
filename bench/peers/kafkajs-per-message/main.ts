import { join } from 'node:path';
import Database from 'better-sqlite3';
import { Kafka, logLevel } from 'kafkajs';

/*
 * Does what the documentation of kafkajs and better-sqlite3 shows: `eachMessage`, a transaction of
 * the database, an event, and offsets that kafkajs commits now and then.
 */

const {
  KAFKA_BROKERS = '',
  KAFKA_GROUP_ID = '',
  COMMANDS_TOPIC = '',
  EVENTS_TOPIC = '',
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
    reference text not null, primary key (orderid, sku));
`);
const insertBatch = database.prepare('insert into batches values (?, ?, ?, ?, 0)');
const findBatch = database.prepare(`
  select reference from batches where sku = ? and quantity - allocated >= ?
  order by eta is not null, eta, reference limit 1`);
const takeFromBatch = database.prepare(
  'update batches set allocated = allocated + ? where reference = ?',
);
const insertAllocation = database.prepare('insert into allocations values (?, ?, ?, ?)');

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

const handle = database.transaction((command: Command) => {
  const { type, sku, reference, quantity, eta, orderid, qty } = command;
  if (type === 'CreateBatch') {
    insertBatch.run(reference, sku, quantity, eta);
    return { type: 'BatchCreated', reference, sku, quantity, eta };
  }
  const found = findBatch.get(sku, qty) as { reference: string } | undefined;
  if (!found) return { type: 'OutOfStock', orderid, sku, qty };
  takeFromBatch.run(qty, found.reference);
  insertAllocation.run(orderid, sku, qty, found.reference);
  return { type: 'Allocated', orderid, sku, qty, batchref: found.reference };
});

const kafka = new Kafka({ brokers: KAFKA_BROKERS.split(','), logLevel: logLevel.ERROR });
const producer = kafka.producer();
const consumer = kafka.consumer({ groupId: KAFKA_GROUP_ID });
process.once('SIGTERM', async () => {
  await consumer.disconnect();
  await producer.disconnect();
  database.close();
});
await producer.connect();
await consumer.connect();
await consumer.subscribe({ topic: COMMANDS_TOPIC, fromBeginning: true });
await consumer.run({
  eachMessage: async ({ message }) => {
    const command = JSON.parse(String(message.value)) as Command;
    const { type, ...event } = handle(command);
    const headers = { ce_causationid: command.id, ce_type: type };
    await producer.send({
      topic: EVENTS_TOPIC,
      messages: [{ key: command.sku, value: JSON.stringify(event), headers }],
    });
  },
});
process.stdout.write('ready\n');
