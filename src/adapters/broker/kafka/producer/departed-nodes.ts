import { clientConfig, type KafkaOptions } from '../client.ts';
import type { ClusterView } from '../cluster-view.ts';
import type { Address } from '../connection.ts';
import { type Cluster, createCluster } from './producer-requests.ts';

/** How often the watch looks for requests that hang. */
const LOOK_MS = 500;
/** A request that takes longer may be one to a node that is not there any more. */
const HANGS_AFTER_MS = 1_000;

/**
 * Keeps kafkajs's connections away from nodes that have left the cluster. A node that is cut off
 * closes no connection: without this, a request to it would wait for its own time-out, long after
 * the others have elected new leaders. And an idle producer would send its next one there. A request
 * to another node is broken too: before that node answers, it may itself ask the one that has left
 * (whether a partition takes part in a transaction), and Kafka waits 30 s for that.
 */
export class DepartedNodes {
  readonly #view: ClusterView;
  readonly #clusters = new Set<Cluster>();
  /** Every address that the cluster has advertised. A configured one may be another name of a node. */
  readonly #advertised = new Set<string>();
  readonly #timer: NodeJS.Timeout;

  constructor(view: ClusterView) {
    this.#view = view;
    view.onChange = () => this.#leave();
    this.#timer = setInterval(() => void this.#look(), LOOK_MS).unref();
  }

  /**
   * Creates a cluster object whose connections are watched until `forget`. It begins at a node that is
   * alive: kafkajs would begin at the first one that is configured, and believe what that one tells.
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

  forget(cluster: Cluster): void {
    this.#clusters.delete(cluster);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Something hangs: is the node still there? */
  async #look(): Promise<void> {
    if (![...this.#clusters].flatMap(connectionsOf).some(hangs)) return;
    await this.#view.refresh().catch(() => {});
    this.#breakConnections();
  }

  /** Nodes or leaders have changed: who has nothing under way learns of it too. */
  #leave(): void {
    for (const node of this.#view.nodes) this.#advertised.add(nameOf(node));
    this.#breakConnections();
    for (const cluster of this.#clusters)
      if (cluster.isConnected()) cluster.refreshMetadata().catch(() => {});
  }

  #breakConnections(): void {
    const alive = new Set(this.#view.nodes.map(nameOf));
    const hasLeft = (connection: Connection) =>
      this.#advertised.has(nameOf(connection)) && !alive.has(nameOf(connection));
    for (const cluster of this.#clusters) {
      const connections = connectionsOf(cluster);
      const departed = new Set(connections.filter(hasLeft).map(nameOf));
      if (departed.size === 0) continue;
      const error = new Error(`Kafka at ${[...departed].join(', ')} has left the cluster`);
      for (const connection of connections) {
        if (hasLeft(connection) || connection.requestQueue.inflight.size > 0)
          connection.socket?.destroy(error);
      }
    }
  }
}

type Connection = Cluster['brokerPool']['brokers'][string]['connectionPool']['pool'][number];

function connectionsOf({ brokerPool: { seedBroker, brokers } }: Cluster): readonly Connection[] {
  return [...(seedBroker ? [seedBroker] : []), ...Object.values(brokers)].flatMap(
    ({ connectionPool }) => connectionPool.pool,
  );
}

function nameOf({ host, port }: Address): string {
  return `${host}:${port}`;
}

function hangs({ socket, requestQueue }: Connection): boolean {
  const sentBeforeMs = Date.now() - HANGS_AFTER_MS;
  return (
    socket?.connecting === true ||
    [...requestQueue.inflight.values()].some(({ sentAt }) => sentAt < sentBeforeMs)
  );
}
