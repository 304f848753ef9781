import { setTimeout as sleep } from 'node:timers/promises';
import { isAnswer, type KafkaOptions, withDeadline } from '../client.ts';
import type { BrokerNode, Cluster, CoordinatorSearch } from '../kafkajs-internals.ts';
import { permitted } from '../security/permissions.ts';
import type { DepartedNodes } from './departed-nodes.ts';
import {
  GROUP_COORDINATOR,
  isBeforeKafka38,
  TRANSACTION_COORDINATOR,
} from './producer-requests.ts';

/**
 * How long a transaction coordinator older than Kafka 3.8 may take. A coordinator that loads its
 * state again never answers the requests that were under way (KAFKA-15468). A longer wait would
 * only hold up the lane.
 */
const OLD_COORDINATOR_TIMEOUT_MS = 10_000;
const MAX_RETRY_MS = 50;

/**
 * Errors of a coordinator that moves, loads its state, cannot reach its replicas, or still ends the
 * former transaction.
 */
const NOT_YET = [
  'GROUP_LOAD_IN_PROGRESS',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR_FOR_GROUP',
  'CONCURRENT_TRANSACTIONS',
];

/** Where a coordinator is looked for. */
interface Surroundings {
  readonly cluster: Cluster;
  readonly departed: DepartedNodes;
  readonly options: KafkaOptions;
}

/**
 * The node that coordinates a group, or the transactions of a transactional id. Requests follow it
 * when it moves, as those of Kafka's Java producer do.
 */
export class Coordinator {
  readonly #surroundings: Surroundings;
  readonly #search: CoordinatorSearch;
  #node: BrokerNode | null = null;

  private constructor(surroundings: Surroundings, search: CoordinatorSearch) {
    this.#surroundings = surroundings;
    this.#search = search;
  }

  static ofGroup(surroundings: Surroundings, groupId: string): Coordinator {
    return new Coordinator(surroundings, { groupId, coordinatorType: GROUP_COORDINATOR });
  }

  static ofTransactions(surroundings: Surroundings, transactionalId: string): Coordinator {
    const search = { groupId: transactionalId, coordinatorType: TRANSACTION_COORDINATOR };
    return new Coordinator(surroundings, search);
  }

  /** Returns the node. Looks for it if it is unknown, or if the known one has left the cluster. */
  async find(): Promise<BrokerNode> {
    const { cluster, departed, options } = this.#surroundings;
    if (this.#node && !departed.hasLeft(this.#node.connectionPool)) return this.#node;
    const { groupId } = this.#search;
    const subject = this.#isOfGroup ? { group: groupId } : { transactionalId: groupId };
    this.#node = await permitted(
      findNode(cluster, this.#search),
      { apiName: 'FindCoordinator', ...subject },
      options,
    );
    return this.#node;
  }

  /**
   * Sends a request. While the answer is one of `NOT_YET`, sends it again, to the node that
   * coordinates then.
   * @param request must do no harm when it is carried out twice
   * @throws {Error} any other error, or the last answer when the time is over
   */
  async ask<T>(request: (node: BrokerNode) => Promise<T>, timeoutMs: number): Promise<T> {
    const giveUpAt = Date.now() + timeoutMs;
    for (let waitMs = 1; ; waitMs = Math.min(2 * waitMs, MAX_RETRY_MS)) {
      try {
        const node = await this.find();
        return await this.#withDeadline(node, request(node));
      } catch (error) {
        if (!isAnswer(error, 'CONCURRENT_TRANSACTIONS')) this.#node = null;
        if (!isAnswer(error, ...NOT_YET) || Date.now() > giveUpAt) throw error;
        await sleep(waitMs);
      }
    }
  }

  get #isOfGroup(): boolean {
    return this.#search.coordinatorType === GROUP_COORDINATOR;
  }

  #withDeadline<T>(node: BrokerNode, answer: Promise<T>): Promise<T> {
    if (this.#isOfGroup || !isBeforeKafka38(node)) return answer;
    return withDeadline(answer, OLD_COORDINATOR_TIMEOUT_MS, 'Asking the transaction coordinator');
  }
}

/**
 * Finds a coordinator.
 * @throws {Error} the reason for which a node names none; kafkajs itself reports no reason
 */
async function findNode(cluster: Cluster, search: CoordinatorSearch): Promise<BrokerNode> {
  try {
    return await cluster.findGroupCoordinator(search);
  } catch (error) {
    if ((error as Error).name !== 'KafkaJSGroupCoordinatorNotFound') throw error;
    const node = await cluster.findControllerBroker();
    await node.findGroupCoordinator(search);
    throw error;
  }
}
