import { laneName } from '../domain/place.ts';
import type { Broker } from '../service-layer/broker.ts';
import type { LaneStanding, LaneStore } from '../service-layer/lane-store.ts';
import type { Partition, PartitionOffset } from '../service-layer/records.ts';
import { hasRecord } from './has-record.ts';
import { LaneOffsets } from './lane-offsets.ts';
import { endsOf, type PartitionEnds } from './partition-ends.ts';
import type { LaneView } from './standstill.ts';

/**
 * The longest pause between two queries for the lanes' positions. Lanes of two processes that wait
 * for each other take turns this slowly.
 */
const LONGEST_PAUSE_MS = 40;
/** Longer than a reader needs to be sure that a range is empty. */
const READ_TIMEOUT_MS = 5_000;

/** A lane that stands before a command which it would reject, and the send time of that command. */
export type Head = LaneStanding & { readonly nextTimestampMs: number };

/**
 * Knows how far the lanes of a topic have decided, and before which commands they wait. Reads from
 * the database what this process does not know.
 */
export class KnownLanes {
  readonly #broker: Broker;
  readonly #store: LaneStore;
  readonly #ends: PartitionEnds;
  readonly #decided = new LaneOffsets((topic) => this.#read(topic), LONGEST_PAUSE_MS);
  /**
   * The command before which each lane waited last, as this process or the database notes it.
   */
  readonly #heads = new Map<string, LaneStanding>();
  /** Where each lane stood when it was given up. No lane waits for it there. */
  readonly #givenUpAt = new Map<string, number>();
  /** Below this offset, the lane has decided every record that a reader sees. */
  readonly #emptyBelow = new Map<string, number>();
  /** Where each lane stood when a reader saw a record that the lane had still to decide. */
  readonly #fullFrom = new Map<string, number>();
  /** The lanes for which a reader looks now. More readers would ask a silent broker for nothing. */
  readonly #beingRead = new Set<string>();
  /** The lanes that an operator has paused. */
  #paused: ReadonlySet<string> = new Set();
  #readAtMs = Number.NEGATIVE_INFINITY;

  constructor(broker: Broker, store: LaneStore, ends: PartitionEnds) {
    this.#broker = broker;
    this.#store = store;
    this.#ends = ends;
  }

  /** When the database was read last. */
  get readAtMs(): number {
    return this.#readAtMs;
  }

  /** The lanes as `Standstill` sees them. */
  get view(): LaneView {
    return {
      decidedOffset: (lane) => this.#decided.of(lane),
      isWaiting: (lane) => this.sentMsAt(lane) !== null,
      isPaused: (lane) => this.#paused.has(laneName(lane)),
      blockingEnds: (lane, ends) => {
        const others = ends.filter(({ partition }) => partition !== lane.partition);
        return this.blockingEnds({ ...lane, nextTimestampMs: this.sentMsAt(lane) ?? 0 }, others);
      },
      ends: async (topic) => endsOf(topic, await this.#ends.ranges(topic)),
    };
  }

  /** Notes that the lane has decided everything below `nextOffset`. */
  note(lane: PartitionOffset): void {
    this.#decided.note(lane);
  }

  /** Notes before which command the lane waits. */
  noteHead(head: Head): void {
    this.#heads.set(laneName(head), head);
  }

  /** Notes that the lane has nothing to decide below the offset. */
  noteEmpty(lane: PartitionOffset): void {
    const former = this.#emptyBelow.get(laneName(lane)) ?? 0;
    this.#emptyBelow.set(laneName(lane), Math.max(lane.nextOffset, former));
  }

  /** Keeps lanes from waiting for these lanes, as long as these lanes stand where they are now. */
  giveUp(lanes: readonly Partition[]): void {
    for (const lane of lanes) this.#givenUpAt.set(laneName(lane), this.#decided.of(lane));
  }

  /** Reads how far all lanes have come. @throws {TroubleError} the database cannot be reached */
  async refresh(topic: string): Promise<void> {
    for (const lane of await this.#read(topic)) this.#decided.note(lane);
  }

  /** Ends the waits that are over. */
  look(): void {
    this.#decided.look();
  }

  /** Waits until `isOver`. @returns false: the time was up first */
  until(isOver: () => boolean, topic: string, timeoutMs: number): Promise<boolean> {
    return this.#decided.until(isOver, [topic], timeoutMs);
  }

  /**
   * Tells whether the lane has decided everything below the end, or was given up where it stands.
   */
  isReached(end: PartitionOffset): boolean {
    const lane = laneName(end);
    const decided = Math.max(this.#decided.of(end), this.#emptyBelow.get(lane) ?? 0);
    return decided >= end.nextOffset || this.#givenUpAt.get(lane) === this.#decided.of(end);
  }

  /** Tells whether the lane stands before a command that was sent after the command of `head`. */
  isLater(end: PartitionOffset, head: Head): boolean {
    return head.nextTimestampMs < this.aheadBeforeMs(end, head);
  }

  /**
   * Returns a time in ms. The commands of `head`'s lane that were sent before it go ahead of the
   * command before which the other lane waits. Of commands with the same time, those in the lower
   * partition go first: a record batch may give one time to all its commands.
   */
  aheadBeforeMs(end: PartitionOffset, head: Head): number {
    const sentMs = this.sentMsAt(end);
    if (sentMs === null) return Number.NEGATIVE_INFINITY;
    return end.partition > head.partition ? sentMs + 1 : sentMs;
  }

  /**
   * Returns the ends that hold up `head`: those not reached, unless their lane waits before a later
   * command.
   */
  blockingEnds(head: Head, ends: readonly PartitionOffset[]): readonly PartitionOffset[] {
    return ends.filter((end) => !this.isReached(end) && !this.isLater(end, head));
  }

  /**
   * Returns the send time, in ms since 1970, of the command before which the lane waits. Null: the
   * lane has noted no wait, or has moved on.
   */
  sentMsAt(lane: Partition): number | null {
    const head = this.#heads.get(laneName(lane));
    return head && head.nextOffset >= this.#decided.of(lane) ? head.nextTimestampMs : null;
  }

  /** Finds out, in the background, whether lanes that stand still have anything to decide. */
  lookForRecords(ends: readonly PartitionOffset[]): void {
    for (const end of ends) {
      const lane = laneName(end);
      const beginning = Math.max(this.#decided.of(end), this.#emptyBelow.get(lane) ?? 0);
      if (this.#fullFrom.get(lane) === beginning || this.#beingRead.has(lane)) continue;
      this.#beingRead.add(lane);
      void this.#lookForRecord(end, beginning)
        .catch(() => {})
        .finally(() => this.#beingRead.delete(lane));
    }
  }

  async #lookForRecord(end: PartitionOffset, beginning: number): Promise<void> {
    const { topic, partition, nextOffset } = end;
    const range = { partition, beginning, end: nextOffset };
    const signal = AbortSignal.timeout(READ_TIMEOUT_MS);
    if (await hasRecord(this.#broker, topic, range, signal))
      this.#fullFrom.set(laneName(end), beginning);
    else this.noteEmpty(end);
    this.#decided.look();
  }

  /** Says where these lanes stand. */
  describe(ends: readonly PartitionOffset[]): string {
    return ends
      .map((end) => {
        const paused = this.#paused.has(laneName(end)) ? ' and is paused' : '';
        return `${laneName(end)} stands at ${this.#decided.of(end)} of ${end.nextOffset}${paused}`;
      })
      .join(', ');
  }

  async #read(topic: string): Promise<readonly LaneStanding[]> {
    const standings = await this.#store.readStandings(topic);
    this.#readAtMs = performance.now();
    this.#paused = new Set(standings.filter(({ isPaused }) => isPaused).map(laneName));
    for (const lane of standings) {
      const isOld = lane.nextOffset < (this.#heads.get(laneName(lane))?.nextOffset ?? 0);
      if (lane.nextTimestampMs !== null && !isOld) this.#heads.set(laneName(lane), lane);
    }
    return standings;
  }
}
