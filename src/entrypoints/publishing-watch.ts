import { PATIENCE_MS, secondsOf, type WatchedLane } from './lane-watch.ts';

interface Stand {
  readonly nextOffset: number;
  readonly sinceMs: number;
}

/**
 * Watches whether the answers of lanes go out. A lane may go on deciding while its answers wait for
 * Kafka, or for the answers of other lanes. The lane's position shows only what is decided.
 */
export class PublishingWatch {
  readonly #lanes: () => readonly WatchedLane[];
  #stands = new Map<number, Stand>();

  constructor(lanes: () => readonly WatchedLane[]) {
    this.#lanes = lanes;
  }

  /** Notes which answers each lane is publishing. */
  look(nowMs: number): void {
    const former = this.#stands;
    this.#stands = new Map();
    for (const { partition, publishing } of this.#lanes()) {
      if (publishing === null) continue;
      const { nextOffset } = publishing;
      const stand = former.get(partition);
      const isSame = stand?.nextOffset === nextOffset;
      this.#stands.set(partition, isSame ? stand : { nextOffset, sinceMs: nowMs });
    }
  }

  /** Starts counting anew, because the process itself stood still. */
  forget(): void {
    this.#stands.clear();
  }

  /** Describes each partition whose answers have waited for 30 s: how long, and for what. */
  stuck(nowMs: number): ReadonlyMap<number, string> {
    const stuck = new Map<number, string>();
    for (const { partition, publishing } of this.#lanes()) {
      const stand = this.#stands.get(partition);
      if (publishing === null || stand?.nextOffset !== publishing.nextOffset) continue;
      const waitedMs = nowMs - stand.sinceMs;
      if (waitedMs < PATIENCE_MS) continue;
      const { nextOffset, awaitedPartitions: others } = publishing;
      const what = others.length > 0 ? `answers of partitions ${others.join(', ')}` : 'Kafka';
      stuck.set(
        partition,
        `Partition ${partition} is stuck: its answers to commands below offset ${nextOffset} ` +
          `have waited for ${secondsOf(waitedMs)} (for ${what})`,
      );
    }
    return stuck;
  }
}
