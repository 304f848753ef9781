import type {
  AssignedPartition,
  ConsumeOptions,
  KnownLog,
  Membership,
  PartitionOwner,
} from '../../src/service-layer/consumer-group.ts';
import { TroubleError } from '../../src/service-layer/errors.ts';
import type { ReceivedRecord } from '../../src/service-layer/records.ts';
import type { SimulatedLog } from './simulated-log.ts';
import type { Machine, World } from './world.ts';

/** How long a fetch waits at most. After records there may be more; without any, Kafka waits. */
const LONGEST_POLL_MS = { afterRecords: 5, afterNothing: 60, idle: 480 };
/** After this many empty fetches a partition is idle. More fetches would only slow histories. */
const FETCHES_UNTIL_IDLE = 10;

/** The result of a fetch. */
type Fetched =
  | { readonly kind: 'records'; readonly records: readonly ReceivedRecord[] }
  /** The log begins after the position. */
  | { readonly kind: 'deleted'; readonly beginning: number }
  /** The log ends before the position. */
  | { readonly kind: 'beyond' }
  /** The former leader epoch ends before the position: other records have these offsets. */
  | { readonly kind: 'truncated' }
  | { readonly kind: 'trouble' };

/** What a partition knows of the member that owns it. */
export interface Holder {
  readonly machine: Machine;
  readonly options: ConsumeOptions;
  readonly generation: number;
  /** The partitions that the member does not want. */
  readonly givenBack: Set<number>;
  /** Closes the partition and assigns it anew. The new owner finds its position by itself. */
  reopen(partition: number): void;
}

/**
 * Fetches for one owner, one delivery at a time, and leaves a truncated log as the real fetcher
 * does. Now and then a delivery comes again, at once or long after. A delivery that was under way
 * when the owner paused, or resumed elsewhere, may still arrive.
 */
export class OwnedPartition implements AssignedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly #world: World;
  readonly #log: SimulatedLog;
  readonly #holder: Holder;
  readonly #owner: PartitionOwner;
  readonly #late: (readonly ReceivedRecord[])[] = [];
  /** The leader epoch of the record before `#nextOffset`, or null where it is not known. */
  #lastEpoch: number | null = null;
  /** Whether the owner asked for `#nextOffset` itself, and has received nothing since. */
  #isFirst = true;
  /** Changes with each `pause` and `resumeFrom`. */
  #resumption = 0;
  #emptyFetches = 0;
  #nextOffset: number | null = null;
  #closed: Promise<void> | null = null;

  constructor(partition: number, holder: Holder, world: World, log: SimulatedLog) {
    this.topic = holder.options.topic;
    this.partition = partition;
    this.#world = world;
    this.#log = log;
    this.#holder = holder;
    this.#owner = holder.options.openOwner(this);
    this.#poll(LONGEST_POLL_MS.afterNothing);
  }

  membership(): Membership {
    return { memberId: this.#holder.machine.name, generation: this.#holder.generation };
  }

  giveBack(): void {
    this.#holder.givenBack.add(this.partition);
  }

  pause(): void {
    this.#resumption += 1;
    this.#nextOffset = null;
  }

  resumeFrom(offset: number, { leaderEpoch }: KnownLog = {}): void {
    this.#holder.givenBack.delete(this.partition);
    this.#resumption += 1;
    this.#nextOffset = offset;
    this.#lastEpoch = leaderEpoch ?? null;
    this.#isFirst = true;
  }

  close(): Promise<void> {
    this.#closed ??= this.#owner.close();
    return this.#closed;
  }

  #poll(longestMs: number): void {
    this.#world.after(this.#world.random() * longestMs, () =>
      this.#holder.machine.hears(() => void this.#fetch()),
    );
  }

  async #fetch(): Promise<void> {
    if (this.#closed) return;
    const hasCome = this.#nextOffset !== null && (await this.#deliverFrom(this.#nextOffset));
    if (this.#late.length > 0 && this.#world.chance(0.3))
      await this.#deliver(this.#late.shift() ?? []);
    this.#emptyFetches = hasCome ? 0 : this.#emptyFetches + 1;
    const isIdle = this.#emptyFetches > FETCHES_UNTIL_IDLE;
    if (!this.#closed)
      this.#poll(LONGEST_POLL_MS[hasCome ? 'afterRecords' : isIdle ? 'idle' : 'afterNothing']);
  }

  /** @returns whether there were records */
  async #deliverFrom(offset: number): Promise<boolean> {
    const resumption = this.#resumption;
    const fetched = await this.#ask(offset);
    const isStale = resumption !== this.#resumption;
    if (fetched.kind === 'records') {
      const { records } = fetched;
      if (isStale) this.#late.push(records);
      else {
        this.#advance(records);
        await this.#deliver(records);
        if (this.#world.chance(0.05)) await this.#deliver(records);
        if (this.#world.chance(0.05)) this.#late.push(records);
      }
      return records.length > 0 && !isStale;
    }
    if (isStale || fetched.kind === 'trouble') return false;
    // The owner has just read its position, so only deleted records lie between.
    if (fetched.kind === 'deleted' && this.#isFirst) this.#nextOffset = fetched.beginning;
    else {
      this.pause();
      this.#holder.reopen(this.partition);
    }
    return false;
  }

  /** Asks where the former leader epoch ends before records of another one come (KIP-320). */
  async #ask(offset: number): Promise<Fetched> {
    const { machine } = this.#holder;
    const lastEpoch = this.#lastEpoch;
    try {
      const fetched = await this.#world.request(
        machine,
        `fetches ${this.partition} from ${offset}`,
        () => this.#fetchFrom(offset),
      );
      const epoch = fetched.kind === 'records' ? fetched.records[0]?.leaderEpoch : undefined;
      if (lastEpoch === null || epoch === undefined || epoch === lastEpoch) return fetched;
      const end = await this.#world.request(
        machine,
        `asks where an epoch of ${this.partition} ends`,
        () => this.#log.endOfEpoch(this.topic, this.partition, lastEpoch),
      );
      return end.leaderEpoch >= lastEpoch && end.offset >= offset ? fetched : { kind: 'truncated' };
    } catch (error) {
      if (error instanceof TroubleError) return { kind: 'trouble' };
      throw error;
    }
  }

  #fetchFrom(offset: number): Fetched {
    this.#log.outages.ask(`leader of ${this.partition}`);
    const beginning = this.#log.partition(this.topic, this.partition).start;
    if (offset < beginning) return { kind: 'deleted', beginning };
    if (offset > this.#log.partition(this.topic, this.partition).length) return { kind: 'beyond' };
    return {
      kind: 'records',
      records: this.#log.fetch(this.topic, this.partition, offset, this.#world.between(1, 12)),
    };
  }

  /** Delivers nothing from beyond the owner's position, and nothing that the log has lost. */
  async #deliver(records: readonly ReceivedRecord[]): Promise<void> {
    const [first] = records;
    const last = records.at(-1);
    if (this.#closed || !first || !last) return;
    if (first.offset > (this.#nextOffset ?? Number.POSITIVE_INFINITY) || !this.#isStillThere(last))
      return;
    this.#advance(records);
    await this.#owner.handle(records);
  }

  #advance(records: readonly ReceivedRecord[]): void {
    const last = records.at(-1);
    if (!last || this.#nextOffset === null || last.offset < this.#nextOffset) return;
    this.#nextOffset = last.offset + 1;
    this.#lastEpoch = last.leaderEpoch ?? null;
    this.#isFirst = false;
  }

  #isStillThere({ offset, leaderEpoch }: ReceivedRecord): boolean {
    return this.#log.partition(this.topic, this.partition).leaderEpochOf(offset) === leaderEpoch;
  }
}
