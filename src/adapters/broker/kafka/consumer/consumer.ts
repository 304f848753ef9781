import { setTimeout as sleep } from 'node:timers/promises';
import type { ConsumeOptions, GroupConsumer } from '../../../../service-layer/consumer-group.ts';
import { TroubleError } from '../../../../service-layer/errors.ts';
import { deliveryBytes } from '../../delivery-bytes.ts';
import type { KafkaOptions } from '../client.ts';
import type { ClusterView } from '../cluster-view.ts';
import { MAX_PIECE_BYTES } from '../records/fetched-records.ts';
import type { JoinAnswer } from '../requests/group-requests.ts';
import { assign, assignEagerly, comingTo } from './assignor.ts';
import { GroupMember, type Protocol } from './group-member.ts';
import { PartitionFetcher } from './partition-fetcher.ts';
import {
  decodeAssignment,
  decodeNotes,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from './subscription.ts';

/** How often the topic is looked at: whether it was created anew, how many partitions it has, and who leads them. */
const LOOK_AT_TOPIC_MS = 2_000;
/**
 * How long a member waits for partitions that others are closing: longer than an owner takes. A
 * static member that restarts meanwhile never says that it has closed them.
 */
const COMING_PATIENCE_MS = 15_000;
/** Incremental, cooperative (KIP-429), with what members give back. */
const COOPERATIVE = 'allocation-cooperative';
/** What the members of the former release know: while one is in the group, all go by it. */
const EAGER = 'RoundRobinAssigner';

/**
 * A consumer of one topic in a group: the partitions that the group has given this member, each
 * with a fetcher and an owner, for as long as the group says so.
 *
 * A rebalance changes only what moves. A partition that the group takes away is closed first; then
 * this member joins again, and another one gets it. In a group with members of the former release
 * every rebalance gives up everything. A crash of this process: others get its partitions after
 * the session time-out. Two owners of one partition, here and elsewhere, are fenced by their
 * producers' epochs and by the positions in the database.
 */
export class KafkaConsumer implements GroupConsumer {
  readonly #options: KafkaOptions;
  readonly #view: ClusterView;
  readonly #consume: ConsumeOptions;
  readonly #logId: () => Promise<string>;
  readonly #member: GroupMember;
  readonly #closing = new AbortController();
  readonly #joined = Promise.withResolvers<void>();
  readonly #givenBack = new Set<number>();
  /** Partitions whose owner was told to close and still finishes what it has in hand. */
  readonly #ending = new Map<Promise<void>, readonly number[]>();
  #owned = new Map<number, PartitionFetcher>();
  /** How many partitions it owns once all that are assigned are open. */
  #ownedCount = 0;
  /** The generation in which the group gave this member what it owns. */
  #ownedSince = -1;
  #isEager = false;
  /**
   * How many partitions the leader has shared out; null: it did not say. Each member compares: a
   * static leader that restarts gets its assignment without hearing that it leads.
   */
  #assignedCount: number | null = null;
  /** Since when this member waits for partitions that others are closing; null: it does not. */
  #awaitsSinceMs: number | null = null;

  /** @param logId which log the topic is in */
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
    this.#joined.promise.catch(() => {});
    this.#member = new GroupMember(
      options,
      view,
      consume.group,
      [this.#protocol(COOPERATIVE), this.#protocol(EAGER)],
      {
        assigned: (assignment, protocol) => this.#assigned(assignment, protocol === EAGER),
        // What is still closing was claimed as it joined again: it is let go of once it is closed.
        lost: () =>
          void this.#closeOwners([...this.#owned.keys()]).then(() => this.#member.rejoin()),
        fenced: (reason) => {
          this.#joined.reject(reason);
          this.#consume.fenced?.(reason);
        },
      },
    );
    void this.#watchTopic();
  }

  /**
   * Resolves at the first assignment with which no more is to come soon.
   * @throws {TroubleError} closed before
   * @throws {FencedError} another process has the name of this member
   */
  get joined(): Promise<void> {
    return this.#joined.promise;
  }

  problem(): string | null {
    return this.#member.problem();
  }

  /** The owners finish what they have in hand while the membership lasts; then the member leaves. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#closeOwners([...this.#owned.keys()]);
    await Promise.all(this.#ending.keys());
    await this.#member.close();
    this.#joined.reject(new TroubleError('The consumer was closed before it could join its group'));
  }

  #protocol(name: string): Protocol {
    return {
      name,
      subscription: () => this.#subscription(),
      assign: (members) => this.#assign(members, name),
    };
  }

  #subscription(): Buffer {
    if (this.#isEager) void this.#closeOwners([...this.#owned.keys()]);
    this.#assignedCount = null;
    this.#awaitsSinceMs = null;
    // A partition that is just closing is given to nobody else before it is closed.
    const owned = [...new Set([...this.#owned.keys(), ...[...this.#ending.values()].flat()])];
    return encodeSubscription(this.#consume.topic, {
      owned,
      generation: this.#ownedSince,
      givenBack: [...this.#givenBack],
    });
  }

  /** The leader's part. */
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
    const coming = isEager ? null : comingTo(subscribed, count);
    return [...assignments].map(([memberId, partitions]) => ({
      memberId,
      assignment: encodeAssignment(topic, partitions, {
        coming: coming?.get(memberId) ?? 0,
        partitionCount: count,
      }),
    }));
  }

  #assigned(assignment: Buffer, isEager: boolean): void {
    const partitions = new Set(decodeAssignment(this.#consume.topic, assignment));
    const gone = [...this.#owned.keys()].filter((partition) => !partitions.has(partition));
    this.#ownedCount = partitions.size;
    const { generation } = this.#member.membership;
    this.#options.log.debug({ partitions: [...partitions], gone, generation }, 'Assigned');
    this.#isEager = isEager;
    this.#ownedSince = generation;
    const notes = decodeNotes(assignment);
    this.#assignedCount = notes?.partitionCount ?? null;
    const closed = this.#closeOwners(gone);
    if (this.#closing.signal.aborted) return;
    for (const partition of partitions) if (!this.#owned.has(partition)) this.#open(partition);
    // Others wait for what this member gives up; it says so by joining again.
    if (gone.length > 0 && !isEager) void closed.then(() => this.#member.rejoin());
    if (notes?.coming) this.#awaitsSinceMs = performance.now();
    else this.#joined.resolve();
  }

  #open(partition: number): void {
    const fetcher = new PartitionFetcher(partition, {
      options: this.#options,
      view: this.#view,
      topic: this.#consume.topic,
      assigned: this.#consume.assigned,
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

  /** Gives the partitions new owners, who look for themselves where they stand. */
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

  /** Looks now and then at what no fetch shows. Whatever keeps it from looking is noticed elsewhere. */
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

  async #lookAtLog(known: string | null): Promise<string> {
    const id = await this.#logId();
    if (known !== null && id !== known) {
      this.#options.log.warn(`${this.#consume.topic} was deleted and created again`);
      this.#reopen([...this.#owned.keys()]);
    }
    return id;
  }

  /** Joins again where the assignment does not fit any more, and nobody else need notice. */
  async #lookAtAssignment(): Promise<void> {
    if (
      this.#awaitsSinceMs !== null &&
      performance.now() - this.#awaitsSinceMs > COMING_PATIENCE_MS
    )
      return this.#member.rejoin();
    await this.#view.refresh();
    const count = await this.#view.partitionCount(this.#consume.topic);
    if (this.#assignedCount !== null && this.#assignedCount !== count) this.#member.rejoin();
  }

  /** A partition that was given back and went to another member is asked for again once it can be worked at. */
  async #lookAtGivenBack(): Promise<void> {
    for (const partition of this.#givenBack) {
      if (this.#owned.has(partition) || !(await this.#consume.mayTake?.(partition))) continue;
      this.#givenBack.delete(partition);
      this.#member.rejoin();
    }
  }
}
