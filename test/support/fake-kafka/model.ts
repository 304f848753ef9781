import type { ApiName, RequestOf, ResponseOf } from './apis.ts';
import { Group } from './group.ts';
import { PartitionLog } from './log.ts';

/** The circumstances of a request, as its handler sees them. */
export interface Question {
  readonly node: number;
  readonly version: number;
  /**
   * Returns the error that a test has planned for this place; 0 when there is none. `top` stands
   * for the error beside those of partitions.
   */
  refusal(place?: string): number;
}

export type Handler<N extends ApiName> = (
  model: Model,
  request: RequestOf<N>,
  question: Question,
) => ResponseOf<N> | Promise<ResponseOf<N>>;

export type Handlers<N extends ApiName> = { readonly [name in N]: Handler<name> };

/** All operations of Kafka's access control lists, one bit each. */
export const ALL_OPERATIONS = 0b1_1111_1111_1000;

export interface Topic {
  readonly id: string;
  /** What clients may do, one bit for each operation. */
  operations: number;
  /** How many nodes keep each partition; null: all of the cluster. */
  replicas: number | null;
  readonly settings: Map<string, string>;
  readonly partitions: readonly PartitionLog[];
}

export interface Producer {
  readonly id: number;
  epoch: number;
  /** The partitions of the open transaction, as `topic/partition`. */
  readonly places: Set<string>;
  readonly groups: Set<string>;
  readonly offsets: Map<string, number>;
}

/**
 * The state that the nodes of a fake cluster share: topics with their leaders, coordinators,
 * producers, offsets.
 */
export class Model {
  readonly ports = new Map<number, number>();
  readonly topics = new Map<string, Topic>();
  /** Committed offsets, as `group/topic/partition`. */
  readonly offsets = new Map<string, number>();
  readonly producers = new Map<string, Producer>();
  /** The settings of every broker that clients may read. */
  readonly brokerSettings = new Map<string, string>();
  /** What clients may do with each group, one bit for each operation. */
  groupOperations = ALL_OPERATIONS;
  /** The nodes that coordinate groups and transactional ids. By default the controller does. */
  readonly coordinators = {
    group: new Map<string, number>(),
    transaction: new Map<string, number>(),
  };
  controller = 1;
  /**
   * The newest version of Produce that the nodes claim to take. It tells releases of Kafka apart.
   */
  newestProduce = 11;
  readonly #groups = new Map<string, Group>();
  #nextProducerId = 1_000;
  #appended = Promise.withResolvers<void>();

  /**
   * Adds a topic.
   * @param leaders the node that leads each partition
   */
  addTopic(
    name: string,
    leaders: readonly number[],
    settings: Readonly<Record<string, string>> = {},
  ): Topic {
    const id = crypto.randomUUID().replaceAll('-', '');
    const all = { 'max.message.bytes': '1048588', ...settings };
    const partitions = leaders.map((leader) => new PartitionLog(leader));
    const topic = {
      id,
      operations: ALL_OPERATIONS,
      replicas: null,
      settings: new Map(Object.entries(all)),
      partitions,
    };
    this.topics.set(name, topic);
    return topic;
  }

  /** Returns the name of the topic with this id; null if there is none. */
  nameOf(topicId: string): string | null {
    const found = [...this.topics].find(([, { id }]) => id === topicId);
    return found?.[0] ?? null;
  }

  partition(topic: string, index: number): PartitionLog | undefined {
    return this.topics.get(topic)?.partitions[index];
  }

  group(id: string): Group {
    const group = this.#groups.get(id) ?? new Group();
    this.#groups.set(id, group);
    return group;
  }

  coordinatorOf(kind: keyof Model['coordinators'], key: string): number {
    return this.coordinators[kind].get(key) ?? this.controller;
  }

  newProducer(): Producer {
    const id = this.#nextProducerId;
    this.#nextProducerId += 1;
    return { id, epoch: -1, places: new Set(), groups: new Set(), offsets: new Map() };
  }

  /** Resolves at the next append. */
  get appended(): Promise<void> {
    return this.#appended.promise;
  }

  noteAppended(): void {
    this.#appended.resolve();
    this.#appended = Promise.withResolvers();
  }
}
