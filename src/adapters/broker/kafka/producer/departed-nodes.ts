import { clientConfig, type KafkaOptions } from '../client.ts';
import type { ClusterView } from '../cluster-view.ts';
import type { Address } from '../connection.ts';
import { type Cluster, createCluster, type PooledConnection } from '../kafkajs-internals.ts';

/** How often the watch looks for overdue requests. */
const LOOK_MS = 500;
/** The age of an overdue request. Its node may have left the cluster. */
const OVERDUE_AFTER_MS = 1_000;

/**
 * Breaks kafkajs's connections to nodes that have left the cluster.
 *
 * A node that is cut off closes no connection. Without this watch, a request to that node would
 * wait for its own time-out, long after the other nodes have elected new leaders. An idle producer
 * would even send its next request there.
 *
 * The watch also breaks the connections on which a request to another node is under way. That node
 * may be asking the departed one whether a partition takes part in a transaction, and Kafka waits
 * 30 s for that answer.
 */
export class DepartedNodes {
  readonly #view: ClusterView;
  readonly #clusters = new Set<Cluster>();
  /** Every address that the cluster has advertised. A configured address may be an alias of one. */
  readonly #advertised = new Set<string>();
  readonly #timer: NodeJS.Timeout;

  constructor(view: ClusterView) {
    this.#view = view;
    view.onChange = () => this.#afterChange();
    this.#timer = setInterval(() => void this.#look(), LOOK_MS).unref();
  }

  /**
   * Creates a cluster object, and watches its connections until `forget`. The object begins at a
   * live node. kafkajs itself would begin at the first configured node and trust its answers.
   * @param retries how often kafkajs repeats a request
   * @param requestTimeoutMs how long a node may take to answer
   */
  createCluster(options: KafkaOptions, retries: number, requestTimeoutMs: number): Cluster {
    const brokers = async () => {
      await this.#view.refresh().catch(() => {});
      return this.#view.nodes.map(nameOf);
    };
    const cluster = createCluster({
      ...clientConfig(options, retries),
      brokers,
      requestTimeout: requestTimeoutMs,
    });
    this.#clusters.add(cluster);
    return cluster;
  }

  /** Tells whether the node at the address was in the cluster and no longer is. */
  hasLeft(address: Address): boolean {
    return this.#advertised.has(nameOf(address)) && !this.#view.isAlive(address);
  }

  /** Stops watching the connections. */
  forget(cluster: Cluster): void {
    this.#clusters.delete(cluster);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Asks which nodes are alive if a request is overdue. */
  async #look(): Promise<void> {
    if (![...this.#clusters].flatMap(connectionsOf).some(isOverdue)) return;
    await this.#view.refresh().catch(() => {});
    this.#breakConnections();
  }

  /** Tells all clusters that nodes or leaders have changed, even those without a request. */
  #afterChange(): void {
    for (const node of this.#view.nodes) this.#advertised.add(nameOf(node));
    this.#breakConnections();
    for (const cluster of this.#clusters)
      if (cluster.isConnected()) cluster.refreshMetadata().catch(() => {});
  }

  #breakConnections(): void {
    for (const cluster of this.#clusters) {
      const connections = connectionsOf(cluster);
      const departed = new Set(connections.filter((each) => this.hasLeft(each)).map(nameOf));
      if (departed.size === 0) continue;
      const error = new Error(`Kafka at ${[...departed].join(', ')} has left the cluster`);
      for (const connection of connections) {
        if (this.hasLeft(connection) || connection.requestQueue.inflight.size > 0)
          connection.socket?.destroy(error);
      }
    }
  }
}

function connectionsOf({
  brokerPool: { seedBroker, brokers },
}: Cluster): readonly PooledConnection[] {
  return [...(seedBroker ? [seedBroker] : []), ...Object.values(brokers)].flatMap(
    ({ connectionPool }) => connectionPool.pool,
  );
}

function nameOf({ host, port }: Address): string {
  return `${host}:${port}`;
}

/** Tells whether the connection, or a request on it, has waited too long. */
function isOverdue({ socket, requestQueue }: PooledConnection): boolean {
  const sentBeforeMs = Date.now() - OVERDUE_AFTER_MS;
  return (
    socket?.connecting === true ||
    [...requestQueue.inflight.values()].some(({ sentAt }) => sentAt < sentBeforeMs)
  );
}
