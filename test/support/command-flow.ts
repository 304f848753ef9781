import { setTimeout as sleep } from 'node:timers/promises';
import { type Admin, type Kafka, Partitioners } from 'kafkajs';
import { eventually } from './eventually.ts';
import { plainKafka } from './topic-reader.ts';

/** The first so many commands of a round bring stock of as many products. */
export const SKUS = 50;
const PORTION = 50;
/** A command that is late arrives behind at most so many others. */
const LATE_BY = 10;
const SENDING_MS = 60_000;

interface KeyedCommand {
  readonly sku: string;
  readonly body: object;
}

/** How a flow differs from one that sends each command once, in order, as fast as it can. */
export interface Roughness {
  /** Which part of the commands is sent twice. */
  readonly duplicated: number;
  /** Which part of them arrives behind later ones. */
  readonly reordered: number;
  /** Between two portions. */
  readonly pauseMs: number;
}

const SMOOTH: Roughness = { duplicated: 0, reordered: 0, pauseMs: 0 };

/** Topics, a group and a stream of commands of their own, for one test on real Kafka. */
export class CommandFlow {
  readonly run = crypto.randomUUID().slice(0, 8);
  readonly group = `group-${this.run}`;
  readonly topics = { commands: `commands-${this.run}`, events: `events-${this.run}`, deadLetters: `dead-letters-${this.run}` };
  readonly kafka: Kafka;
  readonly #producer;
  readonly #roughness: Roughness;
  /** How many were acknowledged. A rough flow may have put some more into the topic. */
  sent = 0;

  constructor(brokers: string, roughness: Roughness = SMOOTH) {
    this.kafka = plainKafka(brokers);
    this.#roughness = roughness;
    // kafkajs's idempotent producer loses what it sends again to a broker that was killed; a rough flow may send twice anyway.
    const idempotent = roughness === SMOOTH;
    this.#producer = this.kafka.producer({ idempotent, createPartitioner: Partitioners.DefaultPartitioner });
  }

  connect(): Promise<void> {
    return this.#producer.connect();
  }

  disconnect(): Promise<void> {
    return this.#producer.disconnect();
  }

  /** What the service is started with. */
  environment(brokers: string, databaseUrl: string): Record<string, string> {
    return {
      KAFKA_BROKERS: brokers,
      KAFKA_GROUP_ID: this.group,
      COMMANDS_TOPIC: this.topics.commands,
      EVENTS_TOPIC: this.topics.events,
      DEAD_LETTERS_TOPIC: this.topics.deadLetters,
      DATABASE_URL: databaseUrl,
    };
  }

  /** Sends a round of `count` commands, in portions, each until it is acknowledged. */
  async send(round: number, count: number): Promise<void> {
    const commands = roughened(this.#commandsOf(round, count), this.#roughness);
    for (let start = 0; start < commands.length; start += PORTION) {
      const messages = commands.slice(start, start + PORTION).map(({ sku, body }) => ({ key: sku, value: JSON.stringify(body) }));
      const portion = { topic: this.topics.commands, messages };
      if (this.#roughness === SMOOTH) await this.#producer.send(portion);
      else await eventually(() => this.#producer.send(portion), { withinMs: SENDING_MS });
      this.sent += messages.length;
      await sleep(this.#roughness.pauseMs);
    }
  }

  /** Commands of every kind, keyed by sku. The first of each round bring stock; some were sent before, in this round or an earlier one. */
  #commandsOf(round: number, count: number): KeyedCommand[] {
    const { run } = this;
    return Array.from({ length: count }, (_, index) => {
      const sku = `SKU-${index % SKUS}`;
      const id = `${run}-${round}-${index}`;
      const earlier = `order-${Math.max(0, round - 1)}-${index - SKUS}`;
      if (index < SKUS) return { sku, body: { id, type: 'CreateBatch', reference: `${sku}-${round}`, sku, quantity: 40, eta: null } };
      if (index % 23 === 0) return { sku, body: { id, type: 'DeallocateOrder', orderid: earlier, sku } };
      if (index % 29 === 0) return { sku, body: { id, type: 'ChangeBatchQuantity', reference: `${sku}-${round}`, quantity: index % 60 } };
      if (index % 31 === 0) {
        const lines = [0, 1, 2].map((line) => ({ sku: `SKU-${(index + 7 * line) % SKUS}`, qty: 1 + line }));
        return { sku, body: { id, type: 'AllocateOrder', orderid: `order-${round}-${index}`, lines } };
      }
      const repeated = index % 19 === 0 ? `${run}-${Math.max(0, round - (index % 2))}-${index - SKUS}` : id;
      return { sku, body: { id: repeated, type: 'AllocateOrder', orderid: `order-${round}-${index}`, sku, qty: 1 + (index % 3) } };
    });
  }

  /** Where each partition of the commands ends. */
  async ends(): Promise<ReadonlyMap<number, number>> {
    const ends = await this.#ask((admin) => admin.fetchTopicOffsets(this.topics.commands));
    return new Map(ends.map(({ partition, high }) => [partition, Number(high)]));
  }

  /** How many commands lie before the group, up to these ends. */
  async lag(ends?: ReadonlyMap<number, number>): Promise<number> {
    const upTo = ends ?? (await this.ends());
    const [found] = await this.#ask((admin) => admin.fetchOffsets({ groupId: this.group, topics: [this.topics.commands] }));
    const committed = new Map(found?.partitions.map(({ partition, offset }) => [partition, Math.max(0, Number(offset))]));
    return [...upTo].reduce((sum, [partition, end]) => sum + Math.max(0, end - (committed.get(partition) ?? 0)), 0);
  }

  async #ask<T>(question: (admin: Admin) => Promise<T>): Promise<T> {
    const admin = this.kafka.admin();
    try {
      await admin.connect();
      return await question(admin);
    } finally {
      await admin.disconnect();
    }
  }
}

/** The same commands, some of them twice, some later. */
function roughened(commands: readonly KeyedCommand[], { duplicated, reordered }: Roughness): readonly KeyedCommand[] {
  const rough = commands.flatMap((command) => (Math.random() < duplicated ? [command, command] : [command]));
  const place = (index: number) => index + (Math.random() < reordered ? 1 + Math.random() * LATE_BY : 0);
  return rough
    .map((command, index) => ({ command, place: place(index) }))
    .sort((a, b) => a.place - b.place)
    .map(({ command }) => command);
}

/** How many lanes of the service work. */
export async function lanesAtWork(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^allocation_lanes\{state="working"\} (\d+)$/m.exec(text)?.[1] ?? 0);
}

/** Resolves when so many lanes of the service work. */
export async function workingLanes(url: string, count: number): Promise<void> {
  await eventually(
    async () => {
      const working = await lanesAtWork(url);
      if (working !== count) throw new Error(`${working} lanes work instead of ${count}`);
    },
    { withinMs: 60_000 },
  );
}
