import { laneName } from '../domain/place.ts';
import type { PartitionOffset } from '../service-layer/records.ts';

/** How long a wait lasts before its first question. Lanes of this process usually report sooner. */
const FIRST_QUESTION_MS = 10;
/**
 * The longest pause between two questions to a broker, while nothing changes. The progress of
 * another process may be noticed this late.
 */
const LONGEST_PAUSE_MS = 200;

interface Wait {
  readonly topics: readonly string[];
  readonly isOver: () => boolean;
  readonly end: (isOver: boolean) => void;
}

/** Asks how far the lanes of the topic have come, in all processes. */
type AskOffsets = (topic: string) => Promise<readonly PartitionOffset[]>;

/**
 * Knows how far the lanes have come: with publishing (the group's committed offsets), or with
 * deciding (the database's positions). A lane waits here until others reach an offset.
 *
 * Lanes of this process tell their progress at once. For lanes of other processes, one question at
 * a time to the broker or the database serves all lanes that wait.
 */
export class LaneOffsets {
  readonly #askOffsets: AskOffsets;
  readonly #longestPauseMs: number;
  readonly #known = new Map<string, number>();
  readonly #waits = new Set<Wait>();
  #pauseMs = FIRST_QUESTION_MS;
  #isAsking = false;
  #nextQuestion: NodeJS.Timeout | undefined;

  /**
   * @param askOffsets called while a lane waits. After an error it is called again.
   * @param longestPauseMs between two questions while nothing changes
   */
  constructor(askOffsets: AskOffsets, longestPauseMs = LONGEST_PAUSE_MS) {
    this.#askOffsets = askOffsets;
    this.#longestPauseMs = longestPauseMs;
  }

  /** Notes that the lane has reached `nextOffset`. @returns whether that is news */
  note(lane: PartitionOffset): boolean {
    if (!this.#take(lane)) return false;
    this.look();
    return true;
  }

  /** Tells how far the lane is known to have come. */
  of(lane: Pick<PartitionOffset, 'topic' | 'partition'>): number {
    return this.#known.get(laneName(lane)) ?? 0;
  }

  /** Tells whether each lane is known to have reached its offset. */
  covers(wanted: readonly PartitionOffset[]): boolean {
    return wanted.every((lane) => lane.nextOffset <= this.of(lane));
  }

  /** Waits until each lane has reached its offset. @returns false: the time was up first */
  cover(wanted: readonly PartitionOffset[], timeoutMs: number): Promise<boolean> {
    const topics = [...new Set(wanted.map(({ topic }) => topic))];
    return this.until(() => this.covers(wanted), topics, timeoutMs);
  }

  /**
   * Waits until `isOver` returns true. Each news about the topics calls `isOver`.
   * @returns false: the time was up first
   */
  async until(
    isOver: () => boolean,
    topics: readonly string[],
    timeoutMs: number,
  ): Promise<boolean> {
    if (isOver()) return true;
    const { promise, resolve: end } = Promise.withResolvers<boolean>();
    const wait = { topics, isOver, end };
    const timeout = setTimeout(() => end(false), timeoutMs);
    this.#waits.add(wait);
    this.#plan();
    const hasEnded = await promise;
    clearTimeout(timeout);
    this.#waits.delete(wait);
    if (hasEnded) this.#pauseMs = FIRST_QUESTION_MS;
    if (this.#waits.size === 0) this.#unplan();
    return hasEnded;
  }

  /** Ends the waits that are over. */
  look(): void {
    for (const { isOver, end } of this.#waits) if (isOver()) end(true);
  }

  #take(lane: PartitionOffset): boolean {
    if (lane.nextOffset <= this.of(lane)) return false;
    this.#known.set(laneName(lane), lane.nextOffset);
    return true;
  }

  #plan(): void {
    if (this.#isAsking || this.#nextQuestion || this.#waits.size === 0) return;
    this.#nextQuestion = setTimeout(() => void this.#ask(), this.#pauseMs);
  }

  #unplan(): void {
    clearTimeout(this.#nextQuestion);
    this.#nextQuestion = undefined;
  }

  async #ask(): Promise<void> {
    this.#nextQuestion = undefined;
    this.#isAsking = true;
    const isNews = await this.#askAll().catch(() => false);
    this.#isAsking = false;
    this.look();
    this.#pauseMs = isNews ? FIRST_QUESTION_MS : Math.min(2 * this.#pauseMs, this.#longestPauseMs);
    this.#plan();
  }

  async #askAll(): Promise<boolean> {
    let isNews = false;
    for (const topic of new Set([...this.#waits].flatMap(({ topics }) => topics))) {
      for (const lane of await this.#askOffsets(topic)) if (this.#take(lane)) isNews = true;
    }
    return isNews;
  }
}

/** Asks the broker how far the group has published. */
export function committedOffsetsOf(
  broker: { committedOffsets(group: string, topic: string): Promise<readonly (number | null)[]> },
  group: string,
): AskOffsets {
  return async (topic) => {
    const offsets = await broker.committedOffsets(group, topic);
    return offsets.map((nextOffset, partition) => ({
      topic,
      partition,
      nextOffset: nextOffset ?? 0,
    }));
  };
}
