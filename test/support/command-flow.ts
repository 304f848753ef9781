import { type Kafka, Partitioners } from 'kafkajs';
import { expect } from 'vitest';
import { eventually } from './eventually.ts';
import { plainKafka } from './topic-reader.ts';

const SKUS = 50;

interface KeyedCommand {
  readonly sku: string;
  readonly body: object;
}

/** Topics, a group and a stream of commands of their own, for one test on real Kafka. */
export class CommandFlow {
  readonly run = crypto.randomUUID().slice(0, 8);
  readonly group = `group-${this.run}`;
  readonly topics = { commands: `commands-${this.run}`, events: `events-${this.run}`, deadLetters: `dead-letters-${this.run}` };
  readonly kafka: Kafka;
  readonly #producer;

  constructor(brokers: string) {
    this.kafka = plainKafka(brokers);
    this.#producer = this.kafka.producer({ idempotent: true, createPartitioner: Partitioners.DefaultPartitioner });
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

  /** Sends a round of `count` commands, in portions. */
  async send(round: number, count: number): Promise<void> {
    const commands = this.#commandsOf(round, count);
    for (let start = 0; start < commands.length; start += 50) {
      const messages = commands.slice(start, start + 50).map(({ sku, body }) => ({ key: sku, value: JSON.stringify(body) }));
      await this.#producer.send({ topic: this.topics.commands, messages });
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

  /** How many commands lie before the group. */
  async lag(): Promise<number> {
    const admin = this.kafka.admin();
    await admin.connect();
    const ends = await admin.fetchTopicOffsets(this.topics.commands);
    const [committed] = await admin.fetchOffsets({ groupId: this.group, topics: [this.topics.commands] });
    await admin.disconnect();
    return ends.reduce((sum, { partition, high }) => {
      const offset = Number(committed?.partitions.find((each) => each.partition === partition)?.offset ?? -1);
      return sum + Number(high) - Math.max(0, offset);
    }, 0);
  }
}

/** Resolves when so many lanes of the service work. */
export async function workingLanes(url: string, count: number): Promise<void> {
  await eventually(
    async () => {
      const text = await (await fetch(`${url}/metrics`)).text();
      expect(text).toContain(`allocation_lanes{state="working"} ${count}`);
    },
    { withinMs: 60_000 },
  );
}
