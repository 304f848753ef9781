import { setTimeout as sleep } from 'node:timers/promises';
import { TroubleError } from '../../../service-layer/errors.ts';
import type { KafkaOptions } from './client.ts';
import type { ClusterView } from './cluster-view.ts';
import { type Address, NodeConnection } from './connection.ts';
import type { Exchange } from './requests/exchange.ts';
import { AccessDeniedError, describeAnswer, isDenial } from './security/permissions.ts';

/** How long an answer may take, besides the time that the leader may wait for records. */
const ANSWER_TIMEOUT_MS = 5_000;
/** How often the client checks whether a node whose answer is late still leads the partition. */
const STILL_LEADS_MS = 1_000;

/** The leader of one partition. */
export interface Leader {
  /**
   * Asks the leader. The wait ends early if another node becomes the leader.
   * @param waitMs how long the leader may wait for records before it answers
   * @throws {AccessDeniedError} the client lacks a permission
   * @throws {TroubleError} the leader cannot be reached, or does not answer in time
   */
  ask<T extends { readonly errorCode: number }>(question: Exchange<T>, waitMs: number): Promise<T>;
  /** Closes the connection. The next question goes to the partition's current leader. */
  drop(): void;
  close(): void;
}

/** A connection to the node that leads one partition. It follows the leadership after a failure. */
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

  async ask<T extends { readonly errorCode: number }>(
    question: Exchange<T>,
    waitMs: number,
  ): Promise<T> {
    const connection = await this.#connect();
    const answered = new AbortController();
    void this.#breakWhenMoved(connection, waitMs, answered.signal);
    try {
      const answer = await connection.send(question, waitMs + ANSWER_TIMEOUT_MS);
      const { errorCode } = answer;
      if (!isDenial(errorCode)) return answer;
      throw new AccessDeniedError(describeAnswer(errorCode, question.request, this.#options));
    } finally {
      answered.abort();
    }
  }

  drop(): void {
    this.#connection?.abandon(new TroubleError('The client has dropped the connection'));
    this.#connection = null;
  }

  close(): void {
    this.#isClosed = true;
    this.drop();
  }

  /**
   * Returns a connection to the current leader. The client must not ask a former leader. A former
   * leader still answers fetches, with the records from before it was cut off.
   */
  async #connect(): Promise<NodeConnection> {
    if (this.#connection?.isOpen && isAt(this.#connection, await this.#leader()))
      return this.#connection;
    // The failure that ended the last connection may have moved the leadership too.
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
        connection.abandon(new TroubleError('Another node leads the partition now'));
      await sleep(STILL_LEADS_MS, undefined, { signal }).catch(() => {});
    }
  }
}

function isAt({ address }: NodeConnection, { host, port }: Address): boolean {
  return address.host === host && address.port === port;
}
