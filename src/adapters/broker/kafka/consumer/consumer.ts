import { setTimeout as sleep } from 'node:timers/promises';
import type {
  ConsumeOptions,
  GroupConsumer,
  MemberView,
} from '../../../../service-layer/consumer-group.ts';
import { TroubleError } from '../../../../service-layer/errors.ts';
import { deliveryBytes } from '../../delivery-bytes.ts';
import type { KafkaOptions } from '../client.ts';
import type { ClusterView } from '../cluster-view.ts';
import { MAX_PIECE_BYTES } from '../records/fetched-records.ts';
import type { JoinAnswer } from '../requests/group-requests.ts';
import { assign, assignEagerly, countWithheld } from './assignor.ts';
import { readMembers } from './group-description.ts';
import { GroupMember, type Protocol } from './group-member.ts';
import { PartitionFetcher } from './partition-fetcher.ts';
import {
  decodeAssignment,
  decodeNotes,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from './subscription.ts';

/** How often the consumer checks whether the topic was created again or has more partitions. */
const LOOK_AT_TOPIC_MS = 2_000;
/**
 * How long a member waits for partitions that other members are closing. An owner closes its
 * partition faster. A static member that restarts meanwhile never reports the closing.
 */
const WITHHELD_PATIENCE_MS = 15_000;
/**
 * The protocol of this release: incremental and cooperative (KIP-429), with given-back partitions.
 */
const COOPERATIVE = 'allocation-cooperative';
/**
 * The protocol of the former release. All members use it while the group has a member of that
 * release.
 */
const EAGER = 'RoundRobinAssigner';

/**
 * Consumes one topic as a member of a group. Each assigned partition has a fetcher and an owner.
 *
 * A rebalance affects only the partitions that move. This member closes a partition that the group
 * takes away, and joins again. Then another member gets the partition. Every member gives up all
 * partitions at each rebalance while the group has a member of the former release.
 *
 * Other members get the partitions of a crashed process when its session times out. If two members
 * own one partition, their producers' epochs and the positions in the database fence one of them.
 */
export class KafkaConsumer implements GroupConsumer {
  readonly #options: KafkaOptions;
  readonly #view: ClusterView;
  readonly #consume: ConsumeOptions;
  readonly #logId: () => Promise<string>;
  readonly #member: GroupMember;
  readonly #closing = new AbortController();
  readonly #firstJoin = Promise.withResolvers<void>();
  readonly #givenBack = new Set<number>();
  /** The partitions whose owners are closing, and still finish their current delivery. */
  readonly #ending = new Map<Promise<void>, readonly number[]>();
  #owned = new Map<number, PartitionFetcher>();
  /** The number of assigned partitions, of which some may not be open yet. */
  #ownedCount = 0;
  /** The generation in which this member got the partitions that it owns. */
  #ownedSince = -1;
  #isEager = false;
  /**
   * The number of partitions that the leader has divided; null if the leader wrote no notes. Each
   * member compares it with the topic, because a static leader that restarts does not learn that it
   * leads.
   */
  #assignedCount: number | null = null;
  /** When this member began to wait for partitions that others are closing; null if it does not. */
  #waitingSinceMs: number | null = null;

  /** @param logId identifies the topic's log */
  constructor(
    options: KafkaOptions,
    view: ClusterView,
    consume: ConsumeOptions,
    logId: () => Promise<string>,
  ) {
    this.#options = options;
    this.#view = view;
    this.#consume = consume;
    this.#logId = logId;
    this.#firstJoin.promise.catch(() => {});
    this.#member = new GroupMember(
      options,
      view,
      consume.group,
      [this.#protocol(COOPERATIVE), this.#protocol(EAGER)],
      {
        onAssignment: (assignment, protocol) =>
          this.#takeAssignment(assignment, protocol === EAGER),
        // The next join still claims partitions that are closing. Join once more when they are
        // closed.
        onLoss: () =>
          void this.#closeOwners([...this.#owned.keys()]).then(() => this.#member.rejoin()),
        onFenced: (reason) => {
          this.#firstJoin.reject(reason);
          this.#consume.onFenced?.(reason);
        },
      },
    );
    void this.#watchTopic();
  }

  /**
   * Resolves at the first assignment after which no withheld partitions follow.
   * @throws {TroubleError} the consumer is closed before that
   * @throws {FencedError} another process has this member's name
   */
  get firstJoin(): Promise<void> {
    return this.#firstJoin.promise;
  }

  problem(): string | null {
    const [problem] = [...this.#owned.values()].flatMap((fetcher) => fetcher.problem ?? []);
    return this.#member.problem() ?? problem ?? null;
  }

  members(): Promise<readonly MemberView[]> {
    const { topic, group } = this.#consume;
    const { memberId } = this.#member.membership;
    return readMembers(this.#view, { topic, group, memberId });
  }

  /** Lets the owners finish their current deliveries, and then leaves the group. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#closeOwners([...this.#owned.keys()]);
    await Promise.all(this.#ending.keys());
    await this.#member.close();
    this.#firstJoin.reject(
      new TroubleError('The consumer was closed before it could join its group'),
    );
  }

  #protocol(name: string): Protocol {
    return {
      name,
      subscription: () => this.#subscription(),
      assign: (members) => this.#assign(members, name),
    };
  }

  /** Makes the subscription for a join, which begins a new assignment. */
  #subscription(): Buffer {
    if (this.#isEager) void this.#closeOwners([...this.#owned.keys()]);
    this.#assignedCount = null;
    this.#waitingSinceMs = null;
    // Claim closing partitions too, so that no other member gets them before they are closed.
    const owned = [...new Set([...this.#owned.keys(), ...[...this.#ending.values()].flat()])];
    return encodeSubscription(this.#consume.topic, {
      owned,
      generation: this.#ownedSince,
      givenBack: [...this.#givenBack],
    });
  }

  /** Makes all members' assignments, if this member leads the group. */
  async #assign(members: JoinAnswer['members'], protocol: string) {
    const { topic } = this.#consume;
    await this.#view.refresh();
    const count = await this.#view.partitionCount(topic);
    const subscribed = members.map(({ metadata, ...member }) => ({
      ...member,
      subscription: decodeSubscription(topic, metadata),
    }));
    const isEager = protocol === EAGER;
    const assignments = isEager ? assignEagerly(subscribed, count) : assign(subscribed, count);
    const withheld = isEager ? null : countWithheld(subscribed, count);
    return [...assignments].map(([memberId, partitions]) => ({
      memberId,
      assignment: encodeAssignment(topic, partitions, {
        coming: withheld?.get(memberId) ?? 0,
        partitionCount: count,
      }),
    }));
  }

  #takeAssignment(assignment: Buffer, isEager: boolean): void {
    const partitions = new Set(decodeAssignment(this.#consume.topic, assignment));
    const lost = [...this.#owned.keys()].filter((partition) => !partitions.has(partition));
    this.#ownedCount = partitions.size;
    this.#consume.onRebalance?.();
    const { generation } = this.#member.membership;
    this.#options.log.debug({ partitions: [...partitions], gone: lost, generation }, 'Assigned');
    this.#isEager = isEager;
    this.#ownedSince = generation;
    const notes = decodeNotes(assignment);
    this.#assignedCount = notes?.partitionCount ?? null;
    const closed = this.#closeOwners(lost);
    if (this.#closing.signal.aborted) return;
    for (const partition of partitions) if (!this.#owned.has(partition)) this.#open(partition);
    // Other members wait for the lost partitions. Joining again tells the leader that they are
    // closed.
    if (lost.length > 0 && !isEager) void closed.then(() => this.#member.rejoin());
    if (notes?.coming) this.#waitingSinceMs = performance.now();
    else this.#firstJoin.resolve();
  }

  #open(partition: number): void {
    const fetcher = new PartitionFetcher(partition, {
      options: this.#options,
      view: this.#view,
      topic: this.#consume.topic,
      openOwner: this.#consume.openOwner,
      membership: () => this.#member.membership,
      maxDeliveryBytes: () => deliveryBytes(this.#ownedCount, this.#consume.maxFetchedBytes),
      maxRecordBytes: MAX_PIECE_BYTES,
      onGivenBack: () => {
        this.#givenBack.add(partition);
        this.#member.rejoin();
      },
      onResumed: () => this.#givenBack.delete(partition),
      onOutOfRange: () => this.#reopen([partition]),
    });
    this.#owned.set(partition, fetcher);
  }

  /** Gives the partitions new owners, which find their positions themselves. */
  #reopen(partitions: readonly number[]): void {
    const owned = partitions.filter((partition) => this.#owned.has(partition));
    void this.#closeOwners(owned);
    for (const partition of owned) this.#open(partition);
  }

  async #closeOwners(partitions: readonly number[]): Promise<void> {
    const closing = partitions.map((partition) => this.#owned.get(partition)?.close());
    for (const partition of partitions) this.#owned.delete(partition);
    const ended = Promise.all(closing).then(() => void this.#ending.delete(ended));
    this.#ending.set(ended, partitions);
    await ended;
  }

  /** Checks regularly what no fetch shows. The next round repeats a failed check. */
  async #watchTopic(): Promise<void> {
    const { signal } = this.#closing;
    let known: string | null = null;
    while (!signal.aborted) {
      known = await this.#lookAtLog(known).catch(() => known);
      await this.#lookAtAssignment().catch(() => {});
      await this.#lookAtGivenBack();
      await sleep(LOOK_AT_TOPIC_MS, undefined, { signal }).catch(() => {});
    }
  }

  /** Reopens all partitions if the topic is another log now. @returns the log's current id */
  async #lookAtLog(known: string | null): Promise<string> {
    const id = await this.#logId();
    if (known !== null && id !== known) {
      this.#options.log.warn(
        `${this.#consume.topic} was deleted and created again: all its lanes open again`,
      );
      this.#reopen([...this.#owned.keys()]);
    }
    return id;
  }

  /** Joins again if the assignment no longer fits. The other members may not notice. */
  async #lookAtAssignment(): Promise<void> {
    if (
      this.#waitingSinceMs !== null &&
      performance.now() - this.#waitingSinceMs > WITHHELD_PATIENCE_MS
    )
      return this.#member.rejoin();
    await this.#view.refresh();
    const count = await this.#view.partitionCount(this.#consume.topic);
    if (this.#assignedCount !== null && this.#assignedCount !== count) this.#member.rejoin();
  }

  /** Asks the group again for a partition that this member has given back and may now take. */
  async #lookAtGivenBack(): Promise<void> {
    for (const partition of this.#givenBack) {
      if (this.#owned.has(partition) || !(await this.#consume.mayTake?.(partition))) continue;
      this.#givenBack.delete(partition);
      this.#member.rejoin();
    }
  }
}
