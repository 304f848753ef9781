// @module-tag db
// @module-tag kafka
// @module-tag slow

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Consumer, Kafka, logLevel } from 'kafkajs';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import {
  AllocationClient,
  type AllocationEvent,
  type CommandEvent,
  CommandSource,
  Deduplicator,
  eventsOf,
  HoldBack,
  type HoldBackState,
  toRecord,
} from '../../clients/typescript/src/index.ts';
import { runCli } from '../support/cli.ts';
import { eventually } from '../support/eventually.ts';
import { ServiceProcess } from '../support/service-process.ts';

const buggyService = fileURLToPath(new URL('../support/buggy-service.ts', import.meta.url));
const brokers = inject('kafkaBrokers');
const SKUS = ['LAMP', 'SOFA', 'DESK'];
const PATIENCE_MS = 60_000;

/** What a consumer keeps in its own database. The offsets and the effects change together. */
interface Saved {
  readonly offsets: ReadonlyMap<number, number>;
  readonly state: HoldBackState;
  /** The version and the stock of each product. */
  readonly products: ReadonlyMap<string, { readonly version: number; readonly stock: number }>;
}

/** Counts the stock of each product as a consumer does that must meet the events in order. */
class StockCounter {
  saved: Saved = { offsets: new Map(), state: { products: [] }, products: new Map() };
  readonly #kafka: Kafka;
  readonly #topic: string;
  #consumer: Consumer | null = null;

  constructor(kafka: Kafka, topic: string) {
    this.#kafka = kafka;
    this.#topic = topic;
  }

  /** Goes on from what is saved. `isSaving` says whether to save after a message. */
  async start(isSaving: () => boolean = () => true): Promise<void> {
    const { offsets, state, products: stored } = this.saved;
    const next = new Map(offsets);
    const products = new Map(stored);
    const holdBack = new HoldBack({ state });
    const deduplicator = new Deduplicator();
    const groupId = `counter-${crypto.randomUUID()}`;
    const consumer = this.#kafka.consumer({ groupId, allowAutoTopicCreation: false });
    this.#consumer = consumer;
    await consumer.connect();
    await consumer.subscribe({ topics: [this.#topic], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => {
        const offset = Number(message.offset);
        if (offset < (next.get(partition) ?? 0)) return;
        for (const event of eventsOf(message))
          await deduplicator.once(event, (each) => {
            for (const ready of holdBack.add(each).events) count(ready, products);
          });
        next.set(partition, offset + 1);
        if (isSaving())
          this.saved = {
            offsets: new Map(next),
            state: holdBack.state(),
            products: new Map(products),
          };
      },
    });
  }

  /** Forgets what is not saved. */
  async crash(): Promise<void> {
    await this.#consumer?.disconnect();
  }
}

function count(event: AllocationEvent, products: Map<string, { version: number; stock: number }>) {
  if (event.type === 'unknown' || event.sequence === null || event.sku === null) return;
  const { version, stock } = products.get(event.sku) ?? { version: 0, stock: 0 };
  if (event.sequence !== version + 1)
    throw new Error(`${event.sku} ${event.sequence} came after ${version}`);
  const change = { BatchCreated: 1, Allocated: -1, Deallocated: 1 } as Record<string, number>;
  const data = event.data as { readonly quantity?: number; readonly qty?: number };
  const delta = (change[event.type] ?? 0) * (data.quantity ?? data.qty ?? 0);
  products.set(event.sku, { version: event.sequence, stock: stock + delta });
}

describe.skipIf(!brokers)('The TypeScript client, with kafkajs and HTTP', () => {
  const shop = new CommandSource('/shop');
  const run = crypto.randomUUID().slice(0, 8);
  let directory: string;
  let environment: Record<string, string>;
  let kafka: Kafka;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-'));
    environment = {
      KAFKA_BROKERS: brokers ?? '',
      KAFKA_GROUP_ID: `group-${run}`,
      COMMANDS_TOPIC: `commands-${run}`,
      EVENTS_TOPIC: `events-${run}`,
      DEAD_LETTERS_TOPIC: `dead-letters-${run}`,
      DATABASE_URL: `sqlite:///${join(directory, 'allocation.db')}`,
    };
    kafka = new Kafka({ brokers: (brokers ?? '').split(','), logLevel: logLevel.NOTHING });
  });

  afterEach(async () => rm(directory, { recursive: true, force: true }));

  const order = (orderid: string, ...skus: readonly string[]) =>
    shop.allocateOrder({ orderid, lines: skus.map((sku) => ({ sku, qty: 1 })) }, { id: orderid });

  it('counts stock right over crashes of both sides, and a redrive', async () => {
    await using buggy = ServiceProcess.spawn(environment, directory, [
      process.execPath,
      buggyService,
    ]);
    await buggy.ready();
    const counter = new StockCounter(kafka, environment.EVENTS_TOPIC ?? '');
    let saves = 0;
    await counter.start(() => ++saves < 10);

    const client = new AllocationClient({ url: buggy.url });
    for (const sku of SKUS)
      await client.sendAndWait(shop.createBatch({ reference: sku, sku, quantity: 20 }));
    await produce(mixedOrders('first', 12));
    const poison = await client.sendAndWait(order('poison', 'LAMP'), { timeoutMs: PATIENCE_MS });
    expect(poison).toMatchObject({ status: 'dead-letter', reason: 'handler-failed' });
    await counter.crash();
    await counter.start();
    await produce(mixedOrders('second', 12));
    await buggy.stop('SIGKILL');

    await using mended = await ServiceProcess.start(environment, directory);
    await produce(mixedOrders('third', 6));
    const redriven = await runCli(environment, directory, [
      'dead-letters',
      'redrive',
      '--all',
      '--execute',
    ]);
    expect(redriven).toMatchObject({ code: 0, stderr: '' });
    const later = new AllocationClient({ url: mended.url });
    const answer = await later.waitFor({ id: 'poison', source: '/shop' });
    expect(answer).toMatchObject({ status: 'answered', events: [{ type: 'Allocated' }] });

    await eventually(
      async () => {
        for (const sku of SKUS)
          expect([sku, counter.saved.products.get(sku)]).toEqual([
            sku,
            await productOf(mended, sku),
          ]);
      },
      { withinMs: PATIENCE_MS },
    );
    expect(counter.saved.state.products.flatMap(({ held }) => held)).toEqual([]);
    await counter.crash();
    expect(await mended.stop()).toBe(0);
  }, 240_000);

  /** Orders of one, two and three lines, and every third one is let go again. */
  function mixedOrders(name: string, number: number): readonly [CommandEvent, readonly string[]][] {
    return Array.from({ length: number }, (_, index) => {
      const skus = SKUS.slice(0, (index % 3) + 1);
      const orderid = `${name}-${index}`;
      const sent: [CommandEvent, readonly string[]][] = [[order(orderid, ...skus), skus]];
      if (index % 3 === 2) sent.push([shop.deallocateOrder({ orderid }), skus]);
      return sent;
    }).flat();
  }

  async function produce(commands: readonly [CommandEvent, readonly string[]][]): Promise<void> {
    const producer = kafka.producer({ allowAutoTopicCreation: false });
    await producer.connect();
    const messages = commands.map(([command, skus]) => toRecord(command, { skus }));
    await producer.send({ topic: environment.COMMANDS_TOPIC ?? '', messages });
    await producer.disconnect();
  }
});

async function productOf(service: ServiceProcess, sku: string) {
  const response = await fetch(`${service.url}/products/${sku}`);
  const { version, batches } = (await response.json()) as {
    readonly version: number;
    readonly batches: readonly { readonly availableQuantity: number }[];
  };
  const stock = batches.reduce((sum, { availableQuantity }) => sum + availableQuantity, 0);
  return { version, stock };
}
