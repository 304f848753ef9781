import type { Logger } from 'pino';
import { describePause } from '../service-layer/lane-pause.ts';
import type { LanePause } from '../service-layer/lane-store.ts';

/** How often a process asks which lanes are paused: one question for all lanes. */
const ASK_EVERY_MS = 1_000;

interface LanePausesOptions {
  /** Reads the pauses of the topic's lanes, by partition. */
  readonly read: () => Promise<ReadonlyMap<number, LanePause>>;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

/**
 * Knows which lanes an operator has paused. The database keeps the pauses, so they survive restarts
 * and hold for every owner of a lane.
 *
 *   working ──pause──▶ the transaction in hand ends ──▶ paused ──resume──▶ working
 *
 * A paused lane keeps its partition and publishes its outbox. It begins no transaction. Each
 * process asks the database once a second, and before a lane opens. So a lane heeds a pause or a
 * resume within a second. Its transactions need no further statement for that.
 */
export class LanePauses {
  readonly #options: LanePausesOptions;
  #known: ReadonlyMap<number, LanePause> = new Map();
  #news = Promise.withResolvers<void>();
  #timer: NodeJS.Timeout | undefined;
  #isAsking = false;
  #readCount = 0;
  #newestRead = 0;

  constructor(options: LanePausesOptions) {
    this.#options = options;
  }

  /** Begins to ask. The tables must exist. */
  start(): void {
    this.#timer = setInterval(() => void this.#ask(), ASK_EVERY_MS);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Returns the pause of the lane. Null: the lane is not paused, as far as this process knows. */
  of(partition: number): LanePause | null {
    return this.#known.get(partition) ?? null;
  }

  /** All pauses that this process knows, by partition. */
  get all(): ReadonlyMap<number, LanePause> {
    return this.#known;
  }

  /** Reads the pauses now. @throws {TroubleError} the database cannot be reached */
  async refresh(): Promise<void> {
    this.#readCount += 1;
    const number = this.#readCount;
    const pauses = await this.#options.read();
    // A later question may have the newer answer already.
    if (number < this.#newestRead) return;
    this.#newestRead = number;
    const former = this.#known;
    this.#known = pauses;
    this.#logChanges(former);
    this.look();
  }

  /** Makes each waiting lane check whether to wait on. */
  look(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }

  /**
   * Waits until the lane is not paused.
   * @param isWanted false when the lane closes, or opens anew; called at each `look`
   */
  async waitForEnd(partition: number, isWanted: () => boolean): Promise<void> {
    while (this.of(partition) !== null && isWanted()) await this.#news.promise;
  }

  /** Asks once. If the database does not answer, the known pauses stay: no lane can work then. */
  async #ask(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    await this.refresh().catch(() => {});
    this.#isAsking = false;
  }

  #logChanges(former: ReadonlyMap<number, LanePause>): void {
    const { log } = this.#options;
    for (const [partition, pause] of this.#known)
      if (former.get(partition)?.at !== pause.at)
        log.warn(
          { partition, ...pause },
          `${describePause(partition, pause)}. To go on: npx allocation lanes resume ${partition}`,
        );
    for (const partition of former.keys())
      if (!this.#known.has(partition)) log.info({ partition }, `Partition ${partition} is resumed`);
  }
}
