import { setTimeout as sleep } from 'node:timers/promises';
import type { Membership } from '../../../../service-layer/consumer-group.ts';
import { FencedError, TroubleError } from '../../../../service-layer/errors.ts';
import type { KafkaOptions } from '../client.ts';
import type { ClusterView } from '../cluster-view.ts';
import { NodeConnection } from '../connection.ts';
import { ERROR, errorName } from '../requests/error-codes.ts';
import type { Exchange } from '../requests/exchange.ts';
import {
  type Answer,
  heartbeat,
  type JoinAnswer,
  joinGroup,
  leaveGroup,
  type MemberIdentity,
  syncGroup,
} from '../requests/group-requests.ts';
import { type GroupRequest, reactionTo } from './group-errors.ts';

/** The least that Kafka allows: so soon after a member's death others get its partitions. */
const SESSION_MS = 6_000;
/** A static member has so long to restart before others get its partitions. */
const STATIC_SESSION_MS = 30_000;
/** How long the group waits for its members to join again. A live one does within a heartbeat. */
const REBALANCE_MS = 10_000;
const HEARTBEAT_MS = 500;
const HEARTBEAT_TIMEOUT_MS = 3_000;
/** The coordinator may wait for others as long as a rebalance lasts. */
const REBALANCE_ANSWER_MS = REBALANCE_MS + 5_000;
const LEAVE_TIMEOUT_MS = 2_000;
/** How often a member that waits for an answer looks whether the node is still the one to ask. */
const STILL_THERE_MS = 1_000;
const RETRY_MS = { least: 100, most: 500 };
const OPERATOR_RETRY_MS = 5_000;
/** Longer than any rebalance of live members takes. */
const PATIENCE_MS = REBALANCE_MS + 5_000;

/** How the members share partitions out: by its name they agree, at each join, on one that all know. */
export interface Protocol {
  readonly name: string;
  /** What this member tells the leader as it joins. */
  subscription(): Buffer;
  /** Each member's assignment, made by the leader. */
  assign(
    members: JoinAnswer['members'],
  ): Promise<readonly { readonly memberId: string; readonly assignment: Buffer }[]>;
}

/** What the member is told of. */
export interface MemberEvents {
  /**
   * The group has given it this, by that protocol. What is missing is another's, now or soon.
   * @throws {TroubleError} the assignment cannot be read: the member asks for it again
   */
  assigned(assignment: Buffer, protocol: string): void;
  /** The group has gone on without it. All that it had may be another's already. */
  lost(): void;
  /** Another process has its name: this member has no part in the group any more, for good. */
  fenced(reason: Error): void;
}

type State = 'joining' | 'syncing' | 'stable' | 'out';

/**
 * One member of a consumer group, through coordinators that move, until it is closed.
 *
 *   joining ──JoinGroup──▶ syncing ──SyncGroup──▶ stable ──Heartbeat──▶ stable
 *      ▲                      │                      │
 *      └──────────────────────┴── a rebalance, or `rejoin()`
 *
 *   any state ── fenced, or closed ──▶ out
 *
 * Each state sends one request and waits for one answer with a deadline; `group-errors.ts` says
 * which state an error leads to. Trouble with the node leads to the same state, with the node that
 * coordinates then: a stable member goes on in its generation. Nobody commits offsets here.
 */
export class GroupMember {
  readonly #options: KafkaOptions;
  readonly #view: ClusterView;
  readonly #groupId: string;
  readonly #protocols: readonly Protocol[];
  readonly #events: MemberEvents;
  readonly #closing = new AbortController();
  readonly #living: Promise<void>;
  #connection: NodeConnection | null = null;
  #memberId = '';
  #generation = -1;
  #joined: JoinAnswer | null = null;
  #wantsRejoin = false;
  #wake = new AbortController();
  #failures = 0;
  #lastTrouble = '';
  /** When the coordinator last said that all is well. */
  #settledAtMs = performance.now();
  #fencedBecause: string | null = null;

  constructor(
    options: KafkaOptions,
    view: ClusterView,
    groupId: string,
    protocols: readonly Protocol[],
    events: MemberEvents,
  ) {
    this.#options = options;
    this.#view = view;
    this.#groupId = groupId;
    this.#protocols = protocols;
    this.#events = events;
    this.#living = this.#live();
  }

  get membership(): Membership {
    return { memberId: this.#memberId, generation: this.#generation };
  }

  /** Why it has no part in the group, once that lasts longer than a rebalance; null: it has. */
  problem(): string | null {
    if (this.#fencedBecause) return this.#fencedBecause;
    const forMs = performance.now() - this.#settledAtMs;
    if (forMs < PATIENCE_MS) return null;
    const seconds = Math.round(forMs / 1_000);
    return `This member of the group ${this.#groupId} has waited ${seconds} s for its assignment: ${this.#lastTrouble || 'the group is rebalancing'}`;
  }

  /** Joins again soon, to tell the leader something new. */
  rejoin(): void {
    this.#wantsRejoin = true;
    this.#wake.abort();
  }

  /** Leaves the group, so that others get its partitions at once; a static member just goes. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#wake.abort();
    // What it waits for may take as long as a rebalance.
    this.#connection?.abandon(new TroubleError('The consumer is closed'));
    await this.#living;
    if (this.#memberId !== '' && !this.#options.instanceId && !this.#fencedBecause) {
      const leave = async () =>
        (await this.#coordinator()).send(leaveGroup(this.#identity()), LEAVE_TIMEOUT_MS);
      await leave().catch(() => {}); // The session time-out does it then.
    }
    // Also the one that was just opening as the close began.
    this.#connection?.abandon(new TroubleError('The consumer is closed'));
  }

  async #live(): Promise<void> {
    let state: State = 'joining';
    while (!this.#closing.signal.aborted && state !== 'out') {
      try {
        state = await this.#step(state);
      } catch (error) {
        if (this.#closing.signal.aborted) return;
        this.#noteTrouble((error as Error).message);
        await this.#pause(this.#backoffMs());
      }
    }
  }

  #step(state: Exclude<State, 'out'>): Promise<State> {
    switch (state) {
      case 'joining':
        return this.#join();
      case 'syncing':
        return this.#sync();
      case 'stable':
        return this.#beat();
    }
  }

  async #join(): Promise<State> {
    this.#wantsRejoin = false;
    const times = {
      sessionMs: this.#options.instanceId ? STATIC_SESSION_MS : SESSION_MS,
      rebalanceMs: REBALANCE_MS,
    };
    const protocols = this.#protocols.map((protocol) => ({
      name: protocol.name,
      metadata: protocol.subscription(),
    }));
    const answer = await this.#request(
      joinGroup(this.#identity(), times, protocols),
      REBALANCE_ANSWER_MS,
    );
    if (answer.errorCode === ERROR.MEMBER_ID_REQUIRED) this.#memberId = answer.memberId;
    if (answer.errorCode !== ERROR.NONE) return await this.#react('JoinGroup', answer, 'joining');
    this.#memberId = answer.memberId;
    this.#generation = answer.generation;
    this.#joined = answer;
    return 'syncing';
  }

  async #sync(): Promise<State> {
    const { leaderId, members, protocol: name } = this.#joined as JoinAnswer;
    const protocol = this.#protocols.find((each) => each.name === name);
    const assignments = leaderId === this.#memberId ? await protocol?.assign(members) : [];
    const answer = await this.#request(
      syncGroup(this.#identity(), assignments ?? []),
      REBALANCE_ANSWER_MS,
    );
    if (answer.errorCode !== ERROR.NONE) return await this.#react('SyncGroup', answer, 'syncing');
    // Before all counts as well: an assignment that cannot be read is trouble.
    this.#events.assigned(answer.assignment, name);
    this.#noteRecovery();
    return 'stable';
  }

  async #beat(): Promise<State> {
    if (!this.#wantsRejoin) await this.#pause(HEARTBEAT_MS);
    if (this.#wantsRejoin) return 'joining';
    this.#leaveDeparted();
    const answer = await this.#request(heartbeat(this.#identity()), HEARTBEAT_TIMEOUT_MS);
    if (answer.errorCode !== ERROR.NONE) return await this.#react('Heartbeat', answer, 'stable');
    this.#noteRecovery();
    return 'stable';
  }

  async #react(request: GroupRequest, { errorCode }: Answer, state: State): Promise<State> {
    const reaction = reactionTo(request, errorCode);
    this.#options.log.debug(
      { request, error: errorName(errorCode), reaction, ...this.membership },
      'The group answered with an error',
    );
    switch (reaction) {
      case 'ask-again':
        this.#noteTrouble(`${request} was answered ${errorName(errorCode)}`);
        await this.#pause(this.#backoffMs());
        return state;
      case 'find-coordinator':
        throw this.#trouble(request, errorCode);
      case 'take-member-id':
        return 'joining';
      case 'rejoin':
        return await this.#joinSoon();
      case 'give-up-and-rejoin':
        this.#giveUp(this.#memberId);
        return await this.#joinSoon();
      case 'give-up-and-join-anew':
        this.#giveUp('');
        return await this.#joinSoon();
      case 'wait-for-operator':
        this.#noteTrouble(`${request} was refused (${errorName(errorCode)})`);
        await this.#pause(OPERATOR_RETRY_MS);
        return 'joining';
      case 'stay-out':
        return this.#stayOut();
      default:
        return reaction satisfies never;
    }
  }

  #trouble(request: GroupRequest, errorCode: number): Error {
    const { host, port } = this.#connection?.address ?? { host: 'unknown', port: 0 };
    const trouble = new TroubleError(`${request}: ${host}:${port} answers ${errorName(errorCode)}`);
    this.#dropConnection(trouble);
    return trouble;
  }

  #giveUp(memberId: string): void {
    this.#events.lost();
    this.#memberId = memberId;
    this.#generation = -1;
  }

  /** The first join after an error goes out at once. While nothing settles, the next ones wait. */
  async #joinSoon(): Promise<State> {
    const backoffMs = this.#backoffMs();
    if (this.#failures > 1) await this.#pause(backoffMs);
    return 'joining';
  }

  #stayOut(): State {
    this.#events.lost();
    this.#fencedBecause = `Another process has joined the group ${this.#groupId} with KAFKA_INSTANCE_ID=${this.#options.instanceId}: give each process an id of its own`;
    this.#options.log.error(this.#fencedBecause);
    this.#events.fenced(new FencedError(this.#fencedBecause));
    return 'out';
  }

  #identity(): MemberIdentity {
    const { memberId, generation } = this.membership;
    return {
      groupId: this.#groupId,
      generation,
      memberId,
      instanceId: this.#options.instanceId ?? null,
    };
  }

  /** Asks the coordinator; while the answer is missing, also whether another node coordinates by now. */
  async #request<T>(question: Exchange<T>, timeoutMs: number): Promise<T> {
    const connection = await this.#coordinator();
    // `close` could not abandon a connection that was just opening.
    if (this.#closing.signal.aborted) throw new TroubleError('The consumer is closed');
    const answered = new AbortController();
    void this.#breakWhenMoved(connection, answered.signal);
    try {
      return await connection.send(question, timeoutMs);
    } finally {
      answered.abort();
    }
  }

  async #breakWhenMoved(connection: NodeConnection, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(STILL_THERE_MS, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      const { host, port } = await this.#view
        .coordinatorOf(this.#groupId)
        .catch(() => connection.address);
      if (host !== connection.address.host || port !== connection.address.port)
        connection.abandon(new TroubleError('Another node coordinates the group by now'));
    }
  }

  async #coordinator(): Promise<NodeConnection> {
    if (this.#connection?.isOpen) return this.#connection;
    const address = await this.#view.coordinatorOf(this.#groupId);
    this.#connection = await NodeConnection.open(this.#options, address);
    return this.#connection;
  }

  /** A coordinator that is cut off from the others goes on answering, while another one gives the partitions away. */
  #leaveDeparted(): void {
    if (this.#connection && !this.#view.isAlive(this.#connection.address))
      this.#dropConnection(new TroubleError('The coordinator has left the cluster'));
  }

  #dropConnection(reason: Error): void {
    this.#connection?.abandon(reason);
    this.#connection = null;
  }

  async #pause(ms: number): Promise<void> {
    if (this.#wake.signal.aborted) this.#wake = new AbortController();
    if (this.#closing.signal.aborted) return;
    await sleep(ms, undefined, { signal: this.#wake.signal }).catch(() => {});
  }

  #backoffMs(): number {
    this.#failures += 1;
    return (
      Math.min(RETRY_MS.most, RETRY_MS.least * 2 ** Math.min(this.#failures - 1, 4)) *
      (0.5 + Math.random() / 2)
    );
  }

  /** Said once, until all is well again. */
  #noteTrouble(message: string): void {
    const level = this.#lastTrouble === '' ? 'warn' : 'debug';
    this.#lastTrouble = message;
    this.#options.log[level](
      `The group ${this.#groupId} cannot be reached; trying until it can: ${message}`,
    );
  }

  #noteRecovery(): void {
    this.#settledAtMs = performance.now();
    this.#failures = 0;
    if (this.#lastTrouble !== '')
      this.#options.log.info(`The group ${this.#groupId} is reached again`);
    this.#lastTrouble = '';
  }
}
