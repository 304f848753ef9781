import { setTimeout as sleep } from 'node:timers/promises';
import type { Membership } from '../../../../service-layer/consumer-group.ts';
import { FencedError, TroubleError } from '../../../../service-layer/errors.ts';
import type { KafkaOptions } from '../client.ts';
import type { ClusterView } from '../cluster-view.ts';
import { countBrokerError } from '../error-counts.ts';
import { ERROR, errorName } from '../requests/error-codes.ts';
import type { Exchange } from '../requests/exchange.ts';
import {
  type GroupAnswer,
  heartbeat,
  type JoinAnswer,
  joinGroup,
  leaveGroup,
  type MemberIdentity,
  syncGroup,
} from '../requests/group-requests.ts';
import { describeAnswer, isDenial } from '../security/permissions.ts';
import { CoordinatorConnection } from './coordinator-connection.ts';
import { type GroupRequest, reactionTo } from './group-errors.ts';
import { GroupHealth } from './group-health.ts';

/** How long after a member's death others get its partitions. Kafka's default allows no less. */
const SESSION_MS = 6_000;
/** How long a static member may take to restart before others get its partitions. */
const STATIC_SESSION_MS = 30_000;
/**
 * How long the group waits for its members to join again. A live member joins within a heartbeat.
 */
const REBALANCE_MS = 10_000;
const HEARTBEAT_MS = 500;
const HEARTBEAT_TIMEOUT_MS = 3_000;
/** How long an answer may take during a rebalance. The coordinator waits for the other members. */
const REBALANCE_ANSWER_MS = REBALANCE_MS + 5_000;
const LEAVE_TIMEOUT_MS = 2_000;
/** How long a closing member waits for its id. Kafka answers the first join with it at once. */
const MEMBER_ID_TIMEOUT_MS = 500;
const OPERATOR_RETRY_MS = 5_000;
/** How long a member is without an assignment before it is a problem. No rebalance takes longer. */
const PATIENCE_MS = REBALANCE_MS + 5_000;

/**
 * A way of dividing the partitions. The group chooses a protocol whose name all members send as
 * they join.
 */
export interface Protocol {
  readonly name: string;
  /** Makes the subscription that this member sends to the leader as it joins. */
  subscription(): Buffer;
  /** Makes each member's assignment, if this member leads the group. */
  assign(
    members: JoinAnswer['members'],
  ): Promise<readonly { readonly memberId: string; readonly assignment: Buffer }[]>;
}

/** The calls that tell the consumer about its membership. */
interface MemberEvents {
  /**
   * The group has assigned these partitions. Other partitions belong to other members, now or soon.
   * @param protocol the name of the protocol that made the assignment
   * @throws {TroubleError} the assignment cannot be read, and the member asks for it again
   */
  onAssignment(assignment: Buffer, protocol: string): void;
  /** The group has gone on without this member. Its partitions may belong to others already. */
  onLoss(): void;
  /** Another process has this member's name, so this member has left the group for good. */
  onFenced(reason: Error): void;
}

type State = 'joining' | 'syncing' | 'stable' | 'out';

/**
 * Keeps one membership in a consumer group until it is closed, even while coordinators move.
 *
 *   joining ──JoinGroup──▶ syncing ──SyncGroup──▶ stable ──Heartbeat──▶ stable
 *      ▲                      │                      │
 *      └──────────────────────┴── a rebalance, or `rejoin()`
 *
 *   any state ── fenced, or closed ──▶ out
 *
 * Each state sends one request and waits for one answer, with a deadline. `group-errors.ts` decides
 * which state follows an error. The member repeats the state with the current coordinator after a
 * failure of the node. So a stable member stays in its generation. This class commits no offsets.
 */
export class GroupMember {
  readonly #options: KafkaOptions;
  readonly #groupId: string;
  readonly #protocols: readonly Protocol[];
  readonly #events: MemberEvents;
  readonly #closing = new AbortController();
  readonly #living: Promise<void>;
  readonly #coordinator: CoordinatorConnection;
  readonly #health: GroupHealth;
  #memberId = '';
  #generation = -1;
  #joined: JoinAnswer | null = null;
  #wantsRejoin = false;
  #wake = new AbortController();
  #fencedBecause: string | null = null;

  constructor(
    options: KafkaOptions,
    view: ClusterView,
    groupId: string,
    protocols: readonly Protocol[],
    events: MemberEvents,
  ) {
    this.#options = options;
    this.#groupId = groupId;
    this.#protocols = protocols;
    this.#events = events;
    this.#coordinator = new CoordinatorConnection(options, view, groupId);
    this.#health = new GroupHealth(groupId, options.log, PATIENCE_MS);
    this.#living = this.#live();
  }

  get membership(): Membership {
    return { memberId: this.#memberId, generation: this.#generation };
  }

  /** Says why this member has no assignment, once that lasts longer than a rebalance; else null. */
  problem(): string | null {
    return this.#fencedBecause ?? this.#health.problem();
  }

  /** Joins again soon, to send the leader a new subscription. */
  rejoin(): void {
    this.#wantsRejoin = true;
    this.#wake.abort();
  }

  /** Leaves the group, so that others get its partitions at once. A static member only stops. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#wake.abort();
    // The other members would wait a whole session for a member that cannot say who leaves.
    if (this.#memberId === '' && !this.#options.instanceId)
      await Promise.race([this.#living, sleep(MEMBER_ID_TIMEOUT_MS)]);
    // The answer that the member waits for may take as long as a rebalance.
    this.#coordinator.drop(new TroubleError('The consumer is closed'));
    await this.#living;
    if (this.#memberId !== '' && !this.#options.instanceId && !this.#fencedBecause) {
      const leaving = this.#coordinator.askOnce(leaveGroup(this.#identity()), LEAVE_TIMEOUT_MS);
      // The session time-out makes the group forget this member after a failure.
      await leaving.catch(() => {});
    }
    // Also close a connection that was still opening when the close began.
    this.#coordinator.drop(new TroubleError('The consumer is closed'));
  }

  async #live(): Promise<void> {
    let state: State = 'joining';
    while (!this.#closing.signal.aborted && state !== 'out') {
      try {
        state = await this.#step(state);
      } catch (error) {
        if (this.#closing.signal.aborted) return;
        this.#health.noteFailure((error as Error).message);
        await this.#pause(this.#health.nextBackoffMs());
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
    const answer = await this.#ask(
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
    const answer = await this.#ask(
      syncGroup(this.#identity(), assignments ?? []),
      REBALANCE_ANSWER_MS,
    );
    if (answer.errorCode !== ERROR.NONE) return await this.#react('SyncGroup', answer, 'syncing');
    // Call this before `noteRecovery`, because an unreadable assignment is a failure.
    this.#events.onAssignment(answer.assignment, name);
    this.#health.noteRecovery();
    return 'stable';
  }

  async #beat(): Promise<State> {
    if (!this.#wantsRejoin) await this.#pause(HEARTBEAT_MS);
    if (this.#wantsRejoin) return 'joining';
    this.#coordinator.dropDeparted();
    const answer = await this.#ask(heartbeat(this.#identity()), HEARTBEAT_TIMEOUT_MS);
    if (answer.errorCode !== ERROR.NONE) return await this.#react('Heartbeat', answer, 'stable');
    this.#health.noteRecovery();
    return 'stable';
  }

  async #react(request: GroupRequest, { errorCode }: GroupAnswer, state: State): Promise<State> {
    const reaction = reactionTo(request, errorCode);
    countBrokerError(errorName(errorCode));
    this.#options.log.debug(
      { request, error: errorName(errorCode), reaction, ...this.membership },
      'The group answered with an error',
    );
    switch (reaction) {
      case 'ask-again':
        this.#health.noteFailure(`${request} was answered ${errorName(errorCode)}`);
        await this.#pause(this.#health.nextBackoffMs());
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
        this.#health.noteFailure(this.#refusal(request, errorCode));
        await this.#pause(OPERATOR_RETRY_MS);
        return 'joining';
      case 'stay-out':
        return this.#stayOut();
      default:
        return reaction satisfies never;
    }
  }

  #refusal(request: GroupRequest, errorCode: number): string {
    return isDenial(errorCode)
      ? describeAnswer(errorCode, { apiName: request, group: this.#groupId }, this.#options)
      : `${request} was refused (${errorName(errorCode)})`;
  }

  #trouble(request: GroupRequest, errorCode: number): Error {
    const { host, port } = this.#coordinator.address ?? { host: 'unknown', port: 0 };
    const trouble = new TroubleError(`${request}: ${host}:${port} answers ${errorName(errorCode)}`);
    this.#coordinator.drop(trouble);
    return trouble;
  }

  #giveUp(memberId: string): void {
    this.#events.onLoss();
    this.#memberId = memberId;
    this.#generation = -1;
  }

  /** Joins at once after a first error, and with growing delays after further errors. */
  async #joinSoon(): Promise<State> {
    const backoffMs = this.#health.nextBackoffMs();
    if (this.#health.failures > 1) await this.#pause(backoffMs);
    return 'joining';
  }

  #stayOut(): State {
    this.#events.onLoss();
    this.#fencedBecause =
      `Another process has joined the group ${this.#groupId} with ` +
      `KAFKA_INSTANCE_ID=${this.#options.instanceId}: give each process an id of its own`;
    this.#options.log.error(this.#fencedBecause);
    this.#events.onFenced(new FencedError(this.#fencedBecause));
    return 'out';
  }

  #ask<T>(question: Exchange<T>, timeoutMs: number): Promise<T> {
    return this.#coordinator.ask(question, timeoutMs, this.#closing.signal);
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

  async #pause(ms: number): Promise<void> {
    if (this.#wake.signal.aborted) this.#wake = new AbortController();
    if (this.#closing.signal.aborted) return;
    await sleep(ms, undefined, { signal: this.#wake.signal }).catch(() => {});
  }
}
