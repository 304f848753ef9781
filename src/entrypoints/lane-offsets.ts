import type { PartitionOffset } from '../service-layer/records.ts';

/** When the first question is asked. A lane of this process will have said it by then. */
const FIRST_QUESTION_MS = 10;
/** How rare questions to a broker become while nothing changes. Also how late another process's progress may be seen. */
const LONGEST_PAUSE_MS = 200;

interface Wait {
  readonly topics: readonly string[];
  readonly isOver: () => boolean;
  readonly end: (isOver: boolean) => void;
}

/** Finds out how far the lanes of the topic have come, those of other processes included. */
export type Learn = (topic: string) => Promise<readonly PartitionOffset[]>;

/**
 * How far the lanes have come: with publishing (the group's committed offsets), or with deciding
 * (the database's positions). A lane that needs others to have come so far waits here.
 *
 * Lanes of this process tell each other at once. Other processes' lanes are asked for. One question
 * at a time serves all lanes that wait.
 */
export class LaneOffsets {
  readonly #learn: Learn;
  readonly #longestPauseMs: number;
  readonly #known = new Map<string, number>();
  readonly #waits = new Set<Wait>();
  #pauseMs = FIRST_QUESTION_MS;
  #isAsking = false;
  #nextQuestion: NodeJS.Timeout | undefined;

  /**
   * @param learn asked while a lane waits; an error says nothing new, and the question is asked again
   * @param longestPauseMs between two questions while nothing changes
   */
  constructor(learn: Learn, longestPauseMs = LONGEST_PAUSE_MS) {
    this.#learn = learn;
    this.#longestPauseMs = longestPauseMs;
  }

  /** The lane has come so far. @returns whether that is news */
  note(lane: PartitionOffset): boolean {
    if (!this.#take(lane)) return false;
    this.look();
    return true;
  }

  /** How far the lane is known to have come. */
  of({ topic, partition }: Pick<PartitionOffset, 'topic' | 'partition'>): number {
    return this.#known.get(`${topic}/${partition}`) ?? 0;
  }

  /** Whether each lane is known to have come so far. */
  covers(wanted: readonly PartitionOffset[]): boolean {
    return wanted.every((lane) => lane.nextOffset <= this.of(lane));
  }

  /** Waits until each lane has come so far. @returns false: the time was up before */
  cover(wanted: readonly PartitionOffset[], timeoutMs: number): Promise<boolean> {
    const topics = [...new Set(wanted.map(({ topic }) => topic))];
    return this.until(() => this.covers(wanted), topics, timeoutMs);
  }

  /**
   * Waits until `isOver`, which is asked whenever something is learnt about the topics.
   * @returns false: the time was up before
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

  /** Ends the waits that are over by now. */
  look(): void {
    for (const { isOver, end } of this.#waits) if (isOver()) end(true);
  }

  #take({ topic, partition, nextOffset }: PartitionOffset): boolean {
    const lane = `${topic}/${partition}`;
    if (nextOffset <= (this.#known.get(lane) ?? 0)) return false;
    this.#known.set(lane, nextOffset);
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
    const isNews = await this.#learnAll().catch(() => false);
    this.#isAsking = false;
    this.look();
    this.#pauseMs = isNews ? FIRST_QUESTION_MS : Math.min(2 * this.#pauseMs, this.#longestPauseMs);
    this.#plan();
  }

  async #learnAll(): Promise<boolean> {
    let isNews = false;
    for (const topic of new Set([...this.#waits].flatMap(({ topics }) => topics))) {
      for (const lane of await this.#learn(topic)) if (this.#take(lane)) isNews = true;
    }
    return isNews;
  }
}

/** Asks how far the group has published. */
export function committedBy(
  broker: { committedOffsets(group: string, topic: string): Promise<readonly (number | null)[]> },
  group: string,
): Learn {
  return async (topic) => {
    const offsets = await broker.committedOffsets(group, topic);
    return offsets.map((nextOffset, partition) => ({
      topic,
      partition,
      nextOffset: nextOffset ?? 0,
    }));
  };
}
