import { setTimeout as sleep } from 'node:timers/promises';
import { type Admin, Partitioners } from 'kafkajs';
import { eventually } from './eventually.ts';
import { type CommandMessage, commandsOf, type Roughness, roughen, SKUS } from './flow-commands.ts';
import type { History } from './judge/history.ts';
import { readHistory } from './read-history.ts';
import { type PlainKafka, plainKafka } from './topic-reader.ts';

/** The number of lanes of a flow by default. */
export const LANES = 4;
const PORTION = 50;
/**
 * The steady flow after the commands of a round, while a fault lasts: some 30 commands a second.
 */
const STEADY = { portion: 10, pauseMs: 300 };
const PATIENCE_MS = 60_000;
const PROBE_TIMEOUT_MS = 1_500;

const SMOOTH: Roughness = { duplicated: 0, reordered: 0, pauseMs: 0 };

/** What a flow must expect of its brokers. */
export interface FlowOptions {
  /** The number of lanes. */
  readonly partitions?: number;
  /** How long the flow waits for an answer. A broker that was cut off gives none. */
  readonly requestTimeoutMs?: number;
  /** How long the flow retries one portion. */
  readonly patienceMs?: number;
}

/** Sends a stream of commands for one test, through topics and a group of its own. */
export abstract class Flow {
  readonly run = crypto.randomUUID().slice(0, 8);
  readonly group = `group-${this.run}`;
  readonly topics = {
    commands: `commands-${this.run}`,
    events: `events-${this.run}`,
    deadLetters: `dead-letters-${this.run}`,
  };
  readonly partitions: number;
  readonly #roughness: Roughness;
  #sent = 0;

  constructor(roughness: Roughness = SMOOTH, partitions = LANES) {
    this.#roughness = roughness;
    this.partitions = partitions;
  }

  /** The number of acknowledged commands. A rough flow may have put more into the topic. */
  get sent(): number {
    return this.#sent;
  }

  protected countSent(count: number): void {
    this.#sent += count;
  }

  /** Returns the settings with which a service uses these topics and this group. */
  names(): Record<string, string> {
    return {
      KAFKA_GROUP_ID: this.group,
      COMMANDS_TOPIC: this.topics.commands,
      EVENTS_TOPIC: this.topics.events,
      DEAD_LETTERS_TOPIC: this.topics.deadLetters,
      TOPIC_PARTITIONS: String(this.partitions),
    };
  }

  /**
   * Sends a round of `count` commands in portions, each until it is acknowledged. Then sends a
   * steady few until `isOver` says so.
   */
  async send(round: number, count: number, isOver = () => true): Promise<void> {
    for (let start = 0; start < count || !isOver(); ) {
      const { portion, pauseMs } =
        start < count ? { portion: PORTION, pauseMs: this.#roughness.pauseMs } : STEADY;
      const end = start < count ? Math.min(start + portion, count) : start + portion;
      const messages = roughen(commandsOf(this.run, round, start, end), this.#roughness);
      await this.publish(messages);
      this.countSent(messages.length);
      start = end;
      await sleep(pauseMs);
    }
  }

  /**
   * Brings stock of every product. Resolves when that stock is answered.
   * Otherwise an order of several products could miss one that another lane is just bringing. The
   * rejection has no place in the sequences, so the judge could not tell when it was made.
   */
  async bringStock(): Promise<void> {
    await this.send(0, SKUS);
    const isAnswered = async () => {
      const lag = await this.lag();
      if (lag > 0) throw new Error(`${lag} commands wait`);
    };
    await eventually(isAnswered, { withinMs: PATIENCE_MS });
  }

  abstract connect(): Promise<void>;
  abstract disconnect(): Promise<void>;
  protected abstract publish(messages: readonly CommandMessage[]): Promise<void>;
  /** Returns the number of commands that the group has not passed. */
  abstract lag(): Promise<number>;
  /**
   * Deletes the offsets of the group, as Kafka does after seven days without a member. The group
   * must have no member.
   */
  abstract forgetOffsets(): Promise<void>;
  /** Reads the history of the run at rest. */
  abstract history(databaseUrl: string): Promise<History>;
}

/** A flow on real Kafka. */
export class CommandFlow extends Flow {
  readonly kafka: PlainKafka;
  readonly #producer;
  readonly #isSmooth: boolean;
  readonly #patienceMs: number;

  constructor(
    brokers: string,
    roughness: Roughness = SMOOTH,
    { partitions, requestTimeoutMs, patienceMs = PATIENCE_MS }: FlowOptions = {},
  ) {
    super(roughness, partitions);
    this.#patienceMs = patienceMs;
    this.kafka = plainKafka(brokers, requestTimeoutMs);
    this.#isSmooth = roughness === SMOOTH;
    // The idempotent producer of kafkajs loses what it sends again to a broker that was killed. A
    // rough flow may send twice anyway, so it needs no idempotence.
    // The retry of kafkajs skips a partition whose new leader has answered before, so a rough flow
    // sends everything again itself.
    const retry = this.#isSmooth ? {} : { retries: 0 };
    const createPartitioner = Partitioners.DefaultPartitioner;
    this.#producer = this.kafka.producer({ idempotent: this.#isSmooth, createPartitioner, retry });
  }

  connect(): Promise<void> {
    return this.#producer.connect();
  }

  disconnect(): Promise<void> {
    return this.#producer.disconnect();
  }

  /** Returns the environment of a service on this flow. */
  environment(brokers: string, databaseUrl: string): Record<string, string> {
    return { ...this.names(), KAFKA_BROKERS: brokers, DATABASE_URL: databaseUrl };
  }

  protected async publish(messages: CommandMessage[]): Promise<void> {
    const portion = { topic: this.topics.commands, messages };
    if (this.#isSmooth) await this.#producer.send(portion);
    else await eventually(() => this.#producer.send(portion), { withinMs: this.#patienceMs });
  }

  /**
   * Sends the beginning of a round, which has commands for every lane, over a new connection to
   * these brokers. Resolves when all are acknowledged.
   */
  async probe(round: number, brokers: string): Promise<void> {
    const messages = [...commandsOf(this.run, round, 0, SKUS)];
    const send = async () => {
      const producer = plainKafka(brokers, PROBE_TIMEOUT_MS).producer({
        createPartitioner: Partitioners.DefaultPartitioner,
        retry: { retries: 0 },
      });
      try {
        await producer.connect();
        await producer.send({ topic: this.topics.commands, messages });
      } finally {
        await producer.disconnect();
      }
    };
    await eventually(send, { withinMs: this.#patienceMs });
    this.countSent(messages.length);
  }

  /** Returns where each partition of the commands ends. */
  async ends(): Promise<ReadonlyMap<number, number>> {
    const ends = await this.#ask((admin) => admin.fetchTopicOffsets(this.topics.commands));
    return new Map(ends.map(({ partition, high }) => [partition, Number(high)]));
  }

  /** Returns the number of commands before these ends that the group has not passed. */
  async lag(ends?: ReadonlyMap<number, number>): Promise<number> {
    const [found] = await this.#ask((admin) =>
      admin.fetchOffsets({ groupId: this.group, topics: [this.topics.commands] }),
    );
    // Ask for the ends last. A command that came and was answered in between must not count as
    // answered before it came.
    const upTo = ends ?? (await this.ends());
    const committed = new Map(
      found?.partitions.map(({ partition, offset }) => [partition, Math.max(0, Number(offset))]),
    );
    return [...upTo].reduce(
      (sum, [partition, end]) => sum + Math.max(0, end - (committed.get(partition) ?? 0)),
      0,
    );
  }

  async forgetOffsets(): Promise<void> {
    await this.#ask((admin) => admin.deleteGroups([this.group]));
  }

  history(databaseUrl: string): Promise<History> {
    return readHistory(this.kafka, this.topics, this.group, databaseUrl);
  }

  /** Asks until there is an answer, because a broker that was just restarted has none. */
  #ask<T>(question: (admin: Admin) => Promise<T>): Promise<T> {
    const ask = async () => {
      const admin = this.kafka.admin();
      try {
        await admin.connect();
        return await question(admin);
      } finally {
        await admin.disconnect();
      }
    };
    return eventually(ask, { withinMs: PATIENCE_MS });
  }
}

const EVENT_TYPES = [
  'BatchCreated',
  'Allocated',
  'OutOfStock',
  'AlreadyAllocated',
  'Deallocated',
  'BatchQuantityChanged',
  'CommandRejected',
  'CompositeDomainEvent',
  'BatchQuantityChanged,Deallocated,Allocated',
];

/**
 * Returns the types of events that never occurred, so that the run did not test them. The last one
 * is a composite that moves a line to another batch.
 */
export function unseenTypes({ events }: History): readonly string[] {
  const seen = new Set<unknown>();
  for (const { headers, value } of events) {
    seen.add(headers.ce_type);
    if (headers.ce_type !== 'CompositeDomainEvent') continue;
    seen.add(String(JSON.parse(String(value)).events.map(({ type }: { type: string }) => type)));
  }
  return EVENT_TYPES.filter((type) => !seen.has(type));
}

/** Returns the number of working lanes of the service. */
export async function lanesAtWork(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^allocation_lanes\{state="working"\} (\d+)$/m.exec(text)?.[1] ?? 0);
}

/** Resolves when this many lanes of the service work. */
export async function workingLanes(url: string, count: number): Promise<void> {
  await eventually(
    async () => {
      const working = await lanesAtWork(url);
      if (working !== count) throw new Error(`${working} lanes work instead of ${count}`);
    },
    { withinMs: 60_000 },
  );
}
