import { setTimeout as sleep } from 'node:timers/promises';
import { isAnswer, withDeadline } from '../client.ts';
import type { BrokerNode, Cluster, CoordinatorSearch } from '../kafkajs-internals.ts';
import { isBeforeKafka38 } from './producer-requests.ts';

/**
 * How long a coordinator older than Kafka 3.8 may take. A coordinator that loads its state again
 * never answers the requests that were under way (KAFKA-15468). A longer wait would only hold up
 * the lane.
 */
const OLD_COORDINATOR_TIMEOUT_MS = 10_000;
const CONCURRENT_TIMEOUT_MS = 10_000;
const MAX_RETRY_MS = 50;

/** Temporary errors of a coordinator that moves, or that cannot reach its replicas. */
export const COORDINATOR_MOVES = [
  'GROUP_LOAD_IN_PROGRESS',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR_FOR_GROUP',
];
/** The errors above, and the error while the former holder's transaction is being ended. */
export const NOT_YET = ['CONCURRENT_TRANSACTIONS', ...COORDINATOR_MOVES];

/**
 * Finds a coordinator.
 * @throws {Error} the reason for which a node names none; kafkajs itself reports no reason
 */
export async function findCoordinatorNode(
  cluster: Cluster,
  search: CoordinatorSearch,
): Promise<BrokerNode> {
  try {
    return await cluster.findGroupCoordinator(search);
  } catch (error) {
    if ((error as Error).name !== 'KafkaJSGroupCoordinatorNotFound') throw error;
    const node = await cluster.findControllerBroker();
    await node.findGroupCoordinator(search);
    throw error;
  }
}

/**
 * Repeats the request until the broker begins the transaction. The broker still ends the previous
 * transaction for some milliseconds after it has answered that transaction's commit.
 */
export function whenAccepted<T>(coordinator: BrokerNode, request: () => Promise<T>): Promise<T> {
  const ask = () => requireAnswer(coordinator, request(), 'Joining the transaction');
  return insist(ask, ['CONCURRENT_TRANSACTIONS'], CONCURRENT_TIMEOUT_MS);
}

/**
 * Waits for a transaction coordinator's answer. A coordinator of an old release has a deadline.
 * @throws {TroubleError} the deadline is over
 */
export function requireAnswer<T>(
  coordinator: BrokerNode,
  answer: Promise<T>,
  doing: string,
): Promise<T> {
  return isBeforeKafka38(coordinator)
    ? withDeadline(answer, OLD_COORDINATOR_TIMEOUT_MS, doing)
    : answer;
}

/**
 * Repeats the request while the broker answers with one of these errors, until the time is over.
 */
export async function insist<T>(
  request: () => Promise<T>,
  answers: readonly string[],
  timeoutMs: number,
): Promise<T> {
  const giveUpAt = Date.now() + timeoutMs;
  for (let waitMs = 1; ; waitMs = Math.min(2 * waitMs, MAX_RETRY_MS)) {
    try {
      return await request();
    } catch (error) {
      if (!isAnswer(error, ...answers) || Date.now() > giveUpAt) throw error;
      await sleep(waitMs);
    }
  }
}
