import { type Logger, pino } from 'pino';
import { KafkaAdmin } from '../../../src/adapters/broker/kafka/admin.ts';
import type { KafkaOptions } from '../../../src/adapters/broker/kafka/client.ts';
import { ClusterView } from '../../../src/adapters/broker/kafka/cluster-view.ts';
import { TopicLayouts } from '../../../src/adapters/broker/kafka/layout.ts';
import { DepartedNodes } from '../../../src/adapters/broker/kafka/producer/departed-nodes.ts';
import { KafkaPublisher } from '../../../src/adapters/broker/kafka/producer/publisher.ts';
import { KafkaTransactionalProducer } from '../../../src/adapters/broker/kafka/producer/transactional-producer.ts';
import {
  ConnectionSecurity,
  type SecuritySettings,
} from '../../../src/adapters/broker/kafka/security/connection-security.ts';
import { TopicCreator } from '../../../src/adapters/broker/kafka/topic-creator.ts';
import type { OutgoingRecord } from '../../../src/service-layer/records.ts';
import { FakeKafka } from './cluster.ts';
import type { FakeSecurity } from './node.ts';

export const GROUP = 'allocation';
export const TRANSACTIONAL_ID = 'allocation-commands-0';
const NODES = 3;
const SETTLING_ROUNDS = 3;

/** The node that leads each partition of each topic. */
const LEADERS = [1, 2, 3, 1];

/**
 * Hashes that the tests of `Utils.murmur2` in Kafka name.
 * A record goes to partition `(hash & 0x7fffffff) % 4`.
 */
const HASHES = {
  21: -973932308,
  lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8: -58897971,
  foobar: -790332482,
  abc: 479470107,
};
/** One key for each partition. */
const KEYS = LEADERS.map((_, partition) => {
  const entry = Object.entries(HASHES).find(
    ([, hash]) => (hash & 0x7fffffff) % LEADERS.length === partition,
  );
  if (!entry) throw new Error(`No key goes to partition ${partition}`);
  return entry[0];
});

/** How the brokers and the client of an edge are secured. */
export interface EdgeSecurity {
  readonly brokers: FakeSecurity;
  readonly client: SecuritySettings | null;
  readonly log?: Logger;
}

const PLAIN: EdgeSecurity = { brokers: {}, client: null };

/**
 * Runs parts of the service on a cluster of three nodes. Node 1 is the controller, node 2
 * coordinates the group, node 3 the transactions. Nodes 1, 2, 3 and 1 lead the partitions of
 * `commands` and `events`.
 */
export class Edge implements AsyncDisposable {
  readonly kafka: FakeKafka;
  readonly options: KafkaOptions;
  readonly admin: KafkaAdmin;
  readonly topics: TopicCreator;
  readonly layouts: TopicLayouts;
  readonly publisher: KafkaPublisher;
  readonly view: ClusterView;
  readonly #departed: DepartedNodes;
  readonly #producers: KafkaTransactionalProducer[] = [];

  private constructor(kafka: FakeKafka, { client, log = pino({ level: 'silent' }) }: EdgeSecurity) {
    this.kafka = kafka;
    const security = client && new ConnectionSecurity(client, log);
    this.options = { brokers: kafka.brokers, clientId: 'edge', security, log };
    this.view = new ClusterView(this.options);
    this.#departed = new DepartedNodes(this.view);
    this.admin = new KafkaAdmin(this.options, this.view);
    this.topics = new TopicCreator(this.options, this.view);
    this.layouts = new TopicLayouts(this.admin);
    this.publisher = new KafkaPublisher(this.options, this.layouts, this.#departed);
  }

  static async start(security = PLAIN): Promise<Edge> {
    const kafka = await FakeKafka.start({ nodes: NODES, security: security.brokers });
    for (const topic of ['commands', 'events']) kafka.model.addTopic(topic, LEADERS);
    kafka.model.coordinators.group.set(GROUP, 2);
    kafka.model.coordinators.transaction.set(TRANSACTIONAL_ID, 3);
    return new Edge(kafka, security);
  }

  async openProducer(signal?: AbortSignal): Promise<KafkaTransactionalProducer> {
    const producer = await KafkaTransactionalProducer.open(
      this.options,
      TRANSACTIONAL_ID,
      this.layouts,
      this.#departed,
      signal,
    );
    this.#producers.push(producer);
    return producer;
  }

  /** Returns the values that a `read_committed` reader sees in the topic, as sorted texts. */
  committed(topic: string): readonly string[] {
    const values = (this.kafka.model.topics.get(topic)?.partitions ?? []).map((log) =>
      log.visible().map(String),
    );
    return values.flat().sort();
  }

  /** Gives earlier requests the time to arrive, by a few rounds of questions and answers. */
  async settle(): Promise<void> {
    for (let round = 0; round < SETTLING_ROUNDS; round += 1) await this.admin.partitions('events');
  }

  get committedOffset(): number | null {
    return this.kafka.model.offsets.get(`${GROUP}/commands/0`) ?? null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([
      this.publisher.close(),
      this.admin.close(),
      ...this.#producers.map((each) => each.close()),
    ]);
    this.#departed.close();
    this.view.close();
    await this.kafka.close();
  }
}

export function event(partition: number, value: string): OutgoingRecord {
  return { topic: 'events', key: KEYS[partition] as string, value, headers: {} };
}

export function position(nextOffset: number) {
  return { topic: 'commands', partition: 0, group: GROUP, nextOffset };
}
