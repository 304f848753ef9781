/* A shop: brings stock, orders some of it, and prints the answers. `npx node examples/shop/main.ts`
 * sends the commands over HTTP; with KAFKA_BROKERS, it sends them to their topic. */

import { Kafka, logLevel } from 'kafkajs';
import {
  AllocationClient,
  type AllocationEvent,
  type CommandEvent,
  CommandSource,
  type CommandStatus,
  toRecord,
  // In your own project: from '@cosmicpython/allocation-client'.
} from '../../clients/typescript/src/index.ts';

const {
  ALLOCATION_URL = 'http://localhost:8080',
  ALLOCATION_TOKEN,
  COMMANDS_TOPIC: topic = 'allocation.commands',
  KAFKA_BROKERS,
} = process.env;

const shop = new CommandSource('/examples/shop');
const client = new AllocationClient({ url: ALLOCATION_URL, token: ALLOCATION_TOKEN });
const kafka = KAFKA_BROKERS
  ? new Kafka({ brokers: KAFKA_BROKERS.split(','), logLevel: logLevel.ERROR })
  : null;
const producer = kafka?.producer({ allowAutoTopicCreation: false });
const timeoutMs = 30_000;

// Each run has names of its own. A real shop keeps the id of a command beside its order, so that it
// can send the same command again after a crash.
const run = crypto.randomUUID().slice(0, 8);
const [chair, table] = [`CHAIR-${run}`, `TABLE-${run}`];
const batch = (name: string, sku: string, quantity: number, eta: string | null = null) =>
  shop.createBatch({ reference: `${name}-${run}`, sku, quantity, eta });
const lines = [
  { sku: chair, qty: 4 },
  { sku: table, qty: 1 },
];

await producer?.connect();
await tell(batch('chairs', chair, 5), [chair]);
await tell(batch('chairs-due', chair, 20, '2030-01-31'), [chair]);
await tell(batch('tables', table, 1), [table]);
await tell(shop.allocateOrder({ orderid: `first-${run}`, lines }), [chair, table]);
await tell(shop.allocateOrder({ orderid: `second-${run}`, sku: chair, qty: 2 }), [chair]);
await tell(shop.allocateOrder({ orderid: `third-${run}`, sku: table, qty: 1 }), [table]);
await tell(shop.deallocateOrder({ orderid: `first-${run}` }), [chair, table]);
await tell(shop.allocateOrder({ orderid: `fourth-${run}`, sku: 'UNKNOWN', qty: 1 }), ['UNKNOWN']);
await producer?.disconnect();

/** @param skus the products of the command's order or batch, which decide the key on Kafka */
async function tell(command: CommandEvent, skus: readonly string[]): Promise<void> {
  console.log(`${command.type} ${JSON.stringify(command.data)}`);
  const status = await ask(command, skus);
  if (status.status === 'answered')
    for (const event of status.events) console.log(`  ${inWords(event)}`);
  else console.log(`  ${status.status === 'dead-letter' ? status.message : 'no answer yet'}`);
}

async function ask(command: CommandEvent, skus: readonly string[]): Promise<CommandStatus> {
  if (!producer) return client.sendAndWait(command, { timeoutMs });
  const [sent] = await producer.send({ topic, messages: [toRecord(command, { skus })] });
  const place = { topic, partition: sent?.partition ?? 0, offset: Number(sent?.baseOffset) };
  return client.waitFor(place, { timeoutMs });
}

function inWords(event: AllocationEvent): string {
  switch (event.type) {
    case 'BatchCreated':
      return `${event.data.quantity} ${event.data.sku} in stock, due ${event.data.eta ?? 'now'}`;
    case 'Allocated':
      return `${event.data.qty} ${event.data.sku} come from ${event.data.batchref}`;
    case 'Deallocated':
      return `${event.data.qty} ${event.data.sku} go back to ${event.data.batchref}`;
    case 'OutOfStock':
      return `${event.data.sku} is out of stock`;
    case 'CommandRejected':
      return `rejected, ${event.data.reason}: ${event.data.detail}`;
    default:
      return `${event.type}: ${JSON.stringify(event.data)}`;
  }
}
