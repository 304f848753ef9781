import { setTimeout as sleep } from 'node:timers/promises';
import { TroubleError } from '../../../../service-layer/errors.ts';
import type { KafkaOptions } from '../client.ts';
import type { ClusterView } from '../cluster-view.ts';
import { type Address, NodeConnection } from '../connection.ts';
import type { Exchange } from '../requests/exchange.ts';

/** How often a member that waits for an answer checks whether the node still coordinates. */
const STILL_THERE_MS = 1_000;
/**
 * The age at which a picture of the cluster is too old to show that the coordinator is alive. A
 * coordinator that is cut off answers without an error, so no failure asks for a newer picture.
 */
const PICTURE_MS = 2_000;

/** A connection to the node that coordinates one group. It follows a coordinator that moves. */
export class CoordinatorConnection {
  readonly #options: KafkaOptions;
  readonly #view: ClusterView;
  readonly #groupId: string;
  #connection: NodeConnection | null = null;

  constructor(options: KafkaOptions, view: ClusterView, groupId: string) {
    this.#options = options;
    this.#view = view;
    this.#groupId = groupId;
  }

  /** The node that was asked last; null if the connection was dropped since. */
  get address(): Address | null {
    return this.#connection?.address ?? null;
  }

  /**
   * Asks the coordinator. The wait ends early if another node becomes the coordinator.
   * @param closing the question fails if this signal aborts before the connection is open
   * @throws {TroubleError} the coordinator cannot be reached, or does not answer in time
   */
  async ask<T>(question: Exchange<T>, timeoutMs: number, closing: AbortSignal): Promise<T> {
    const connection = await this.#open();
    // `drop` cannot abandon a connection that is still opening.
    if (closing.aborted) throw new TroubleError('The consumer is closed');
    const answered = new AbortController();
    void this.#breakWhenMoved(connection, answered.signal);
    try {
      return await connection.send(question, timeoutMs);
    } finally {
      answered.abort();
    }
  }

  /**
   * Asks the coordinator, without a check whether another node becomes the coordinator.
   * @throws {TroubleError} the coordinator cannot be reached, or does not answer in time
   */
  async askOnce<T>(question: Exchange<T>, timeoutMs: number): Promise<T> {
    return await (await this.#open()).send(question, timeoutMs);
  }

  /**
   * Drops a coordinator that has left the cluster. A node that is cut off still answers, while the
   * new coordinator gives this member's partitions to others.
   */
  dropDeparted(): void {
    // Refresh in the background: the next call sees the new picture.
    this.#view.refresh(PICTURE_MS).catch(() => {});
    if (this.#connection && !this.#view.isAlive(this.#connection.address))
      this.drop(new TroubleError('The coordinator has left the cluster'));
  }

  /** Closes the connection. Its unanswered questions reject with the reason. */
  drop(reason: Error): void {
    this.#connection?.abandon(reason);
    this.#connection = null;
  }

  async #open(): Promise<NodeConnection> {
    if (this.#connection?.isOpen) return this.#connection;
    const address = await this.#view.coordinatorOf(this.#groupId);
    this.#connection = await NodeConnection.open(this.#options, address);
    return this.#connection;
  }

  async #breakWhenMoved(connection: NodeConnection, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(STILL_THERE_MS, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      const { host, port } = await this.#view
        .coordinatorOf(this.#groupId)
        .catch(() => connection.address);
      if (host !== connection.address.host || port !== connection.address.port)
        connection.abandon(new TroubleError('Another node coordinates the group now'));
    }
  }
}
