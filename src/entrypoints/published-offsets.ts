import type { Broker, PartitionOffset } from '../service-layer/unit-of-work.ts';

/** When the broker is asked first. A lane of this process will have said it by then. */
const FIRST_QUESTION_MS = 10;
/** How rare questions become while nothing changes. Also how late another process's progress may be seen. */
const LONGEST_PAUSE_MS = 200;

interface Wait {
  readonly wanted: readonly PartitionOffset[];
  /** The wait is over. */
  readonly end: (isCovered: boolean) => void;
}

/**
 * How far the lanes have published: all that a lane needs to know of the others.
 *
 * Two lanes may write one product one after the other, and each publishes by itself. An answer that rests on another one, of an
 * earlier `ce_sequence` of the same product, waits until that one is out. So the events that are out never lack an earlier one, and the
 * database can be lost at any moment: what was not out yet is decided anew, and nothing that is out rests on it.
 *
 * Lanes of this process tell each other at once. Other processes' lanes are known by the group's
 * committed offsets. One question at a time serves all lanes that wait.
 */
export class PublishedOffsets {
  readonly #broker: Broker;
  readonly #group: string;
  readonly #known = new Map<string, number>();
  readonly #waits = new Set<Wait>();
  #pauseMs = FIRST_QUESTION_MS;
  #isAsking = false;
  #nextQuestion: NodeJS.Timeout | undefined;

  constructor(broker: Broker, group: string) {
    this.#broker = broker;
    this.#group = group;
  }

  /** The lane has published up to there. @returns whether that is news */
  note({ topic, partition, nextOffset }: PartitionOffset): boolean {
    const lane = `${topic}/${partition}`;
    if (nextOffset <= (this.#known.get(lane) ?? 0)) return false;
    this.#known.set(lane, nextOffset);
    for (const wait of this.#waits) if (this.covers(wait.wanted)) wait.end(true);
    return true;
  }

  /** Whether each lane is known to have published so far. */
  covers(wanted: readonly PartitionOffset[]): boolean {
    return wanted.every(({ topic, partition, nextOffset }) => nextOffset <= (this.#known.get(`${topic}/${partition}`) ?? 0));
  }

  /** Waits for it. @returns false: the time was up before */
  async cover(wanted: readonly PartitionOffset[], timeoutMs: number): Promise<boolean> {
    if (this.covers(wanted)) return true;
    const { promise, resolve: end } = Promise.withResolvers<boolean>();
    const wait = { wanted, end };
    const timeout = setTimeout(() => end(false), timeoutMs);
    this.#waits.add(wait);
    this.#plan();
    const isCovered = await promise;
    clearTimeout(timeout);
    this.#waits.delete(wait);
    if (isCovered) this.#pauseMs = FIRST_QUESTION_MS;
    if (this.#waits.size === 0) this.#unplan();
    return isCovered;
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
    // An error says nothing new: the question is asked again.
    const isNews = await this.#learn().catch(() => false);
    this.#isAsking = false;
    this.#pauseMs = isNews ? FIRST_QUESTION_MS : Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS);
    this.#plan();
  }

  async #learn(): Promise<boolean> {
    let isNews = false;
    const topics = new Set([...this.#waits].flatMap(({ wanted }) => wanted.map(({ topic }) => topic)));
    for (const topic of topics) {
      for (const [partition, nextOffset] of (await this.#broker.committedOffsets(this.#group, topic)).entries()) {
        if (this.note({ topic, partition, nextOffset: nextOffset ?? 0 })) isNews = true;
      }
    }
    return isNews;
  }
}
