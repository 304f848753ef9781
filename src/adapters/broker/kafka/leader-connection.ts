import { setTimeout as sleep } from 'node:timers/promises';
import { TroubleError } from '../../../service-layer/errors.ts';
import type { KafkaOptions } from './client.ts';
import type { ClusterView } from './cluster-view.ts';
import { type Address, NodeConnection } from './connection.ts';
import type { Exchange } from './requests/exchange.ts';

/** Beyond the time that the leader may wait for records. */
const ANSWER_TIMEOUT_MS = 5_000;
/** How long after that time the cluster is asked whether the node still leads. */
const STILL_LEADS_MS = 1_000;

/** Whoever leads one partition. */
export interface Leader {
  /**
   * Asks the leader. When it is silent and another node leads by now, that ends the wait.
   * @param waitMs how long the leader may take on purpose
   * @throws {TroubleError} the leader cannot be reached, or does not answer in time
   */
  ask<T>(question: Exchange<T>, waitMs: number): Promise<T>;
  /** Closes the connection. The next question goes to the leader of that moment. */
  drop(): void;
  close(): void;
}

/** A connection to whichever node leads one partition, looked for anew after each trouble. */
export class LeaderConnection implements Leader {
  readonly #options: KafkaOptions;
  readonly #view: ClusterView;
  readonly #topic: string;
  readonly #partition: number;
  #connection: NodeConnection | null = null;
  #isClosed = false;

  constructor(options: KafkaOptions, view: ClusterView, topic: string, partition: number) {
    this.#options = options;
    this.#view = view;
    this.#topic = topic;
    this.#partition = partition;
  }

  async ask<T>(question: Exchange<T>, waitMs: number): Promise<T> {
    const connection = await this.#connected();
    const answered = new AbortController();
    void this.#breakWhenMoved(connection, waitMs, answered.signal);
    try {
      return await connection.send(question, waitMs + ANSWER_TIMEOUT_MS);
    } finally {
      answered.abort();
    }
  }

  drop(): void {
    this.#connection?.abandon(new TroubleError('The connection is given up'));
    this.#connection = null;
  }

  close(): void {
    this.#isClosed = true;
    this.drop();
  }

  /** A former leader may go on answering fetches, as a follower, with what it had when it was cut off. */
  async #connected(): Promise<NodeConnection> {
    if (this.#connection?.isOpen && isAt(this.#connection, await this.#leader()))
      return this.#connection;
    // Whatever ended the last connection may have moved the leader.
    await this.#view.refresh();
    this.drop();
    const connection = await NodeConnection.open(this.#options, await this.#leader());
    this.#connection = connection;
    if (this.#isClosed) this.drop();
    return connection;
  }

  #leader(): Promise<Address> {
    return this.#view.leaderOf(this.#topic, this.#partition);
  }

  async #breakWhenMoved(
    connection: NodeConnection,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    await sleep(waitMs + STILL_LEADS_MS, undefined, { signal }).catch(() => {});
    while (!signal.aborted) {
      await this.#view.refresh().catch(() => {});
      if (!isAt(connection, await this.#leader().catch(() => connection.address)))
        connection.abandon(new TroubleError('Another node leads the partition by now'));
      await sleep(STILL_LEADS_MS, undefined, { signal }).catch(() => {});
    }
  }
}

function isAt({ address }: NodeConnection, { host, port }: Address): boolean {
  return address.host === host && address.port === port;
}
