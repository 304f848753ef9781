import { type Kafka, Partitioners } from 'kafkajs';
import { expect } from 'vitest';
import type { History } from './check-history.ts';
import { eventually } from './eventually.ts';
import { readHistory } from './read-history.ts';
import { plainKafka } from './topic-reader.ts';

/** How many lanes a flow has. */
export const LANES = 4;
/** So many commands of a round bring stock: the first. */
export const SKUS = 50;
const PORTION = 50;

/** A command as the log gets it, keyed by sku. */
export interface CommandMessage {
  readonly key: string;
  readonly value: string;
}

/** Topics, a group and a stream of commands of their own, for one test. */
export abstract class Flow {
  readonly run = crypto.randomUUID().slice(0, 8);
  readonly group = `group-${this.run}`;
  readonly topics = { commands: `commands-${this.run}`, events: `events-${this.run}`, deadLetters: `dead-letters-${this.run}` };
  #sent = 0;

  /** How many commands are in the topic. */
  get sent(): number {
    return this.#sent;
  }

  /** What a service is started with to use these topics and this group. */
  names(): Record<string, string> {
    return {
      KAFKA_GROUP_ID: this.group,
      COMMANDS_TOPIC: this.topics.commands,
      EVENTS_TOPIC: this.topics.events,
      DEAD_LETTERS_TOPIC: this.topics.deadLetters,
      TOPIC_PARTITIONS: String(LANES),
    };
  }

  /** Sends a round of `count` commands, in portions. */
  async send(round: number, count: number): Promise<void> {
    const messages = commandsOf(this.run, round, count);
    for (let start = 0; start < messages.length; start += PORTION) {
      const portion = messages.slice(start, start + PORTION);
      await this.publish(portion);
      this.#sent += portion.length;
    }
  }

  abstract connect(): Promise<void>;
  abstract disconnect(): Promise<void>;
  protected abstract publish(messages: readonly CommandMessage[]): Promise<void>;
  /** How many commands lie before the group. */
  abstract lag(): Promise<number>;
  /** Everything there is to read, at rest. */
  abstract history(databaseUrl: string): Promise<History>;
}

/** A flow on real Kafka. */
export class CommandFlow extends Flow {
  readonly kafka: Kafka;
  readonly #producer;

  constructor(brokers: string) {
    super();
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
    return { ...this.names(), KAFKA_BROKERS: brokers, DATABASE_URL: databaseUrl };
  }

  protected async publish(messages: CommandMessage[]): Promise<void> {
    await this.#producer.send({ topic: this.topics.commands, messages });
  }

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

  history(databaseUrl: string): Promise<History> {
    return readHistory(this.kafka, this.topics, this.group, databaseUrl);
  }
}

/** Commands of every kind. The first of each round bring stock; some were sent before, in this round or an earlier one. */
function commandsOf(run: string, round: number, count: number): readonly CommandMessage[] {
  return Array.from({ length: count }, (_, index) => {
    const sku = `SKU-${index % SKUS}`;
    return { key: sku, value: JSON.stringify(commandOf(run, round, index, sku)) };
  });
}

function commandOf(run: string, round: number, index: number, sku: string): object {
  const id = `${run}-${round}-${index}`;
  const earlier = `order-${Math.max(0, round - 1)}-${index - SKUS}`;
  if (index < SKUS) return { id, type: 'CreateBatch', reference: `${sku}-${round}`, sku, quantity: 40, eta: null };
  if (index % 23 === 0) return { id, type: 'DeallocateOrder', orderid: earlier, sku };
  if (index % 29 === 0) return { id, type: 'ChangeBatchQuantity', reference: `${sku}-${round}`, quantity: index % 60 };
  if (index % 31 === 0) {
    const lines = [0, 1, 2].map((line) => ({ sku: `SKU-${(index + 7 * line) % SKUS}`, qty: 1 + line }));
    return { id, type: 'AllocateOrder', orderid: `order-${round}-${index}`, lines };
  }
  const repeated = index % 19 === 0 ? `${run}-${Math.max(0, round - (index % 2))}-${index - SKUS}` : id;
  return { id: repeated, type: 'AllocateOrder', orderid: `order-${round}-${index}`, sku, qty: 1 + (index % 3) };
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
