import type { PastCommands } from '../adapters/database/replay/past-commands.ts';
import { LaneCursor, type NextCommand, type OrderedCommand } from './lane-cursor.ts';

/** The most commands out of turn that a report names. */
const OUT_OF_TURN_NAMED = 3;

/**
 * The order in which past commands of several lanes were handled, as far as the published events
 * tell.
 *
 * - The commands of a lane keep their order.
 * - The commands that changed a product follow the sequence of the product.
 * - A command that changed nothing is placed by the time of its answer.
 *
 * Only published events decide, so every run of a what-if has the same order. If events are
 * missing, perhaps no command is next by the sequences. Then the earliest command comes next.
 */
export class CommandOrder {
  readonly #past: PastCommands;
  readonly #lanes: readonly string[];
  readonly #versions = new Map<string, number>();
  readonly #outOfTurn: string[] = [];
  #outOfTurnCount = 0;

  /** @param lanes each as `topic/partition` */
  constructor(past: PastCommands, lanes: readonly string[]) {
    this.#past = past;
    this.#lanes = lanes;
  }

  /** The places of the first commands out of turn, `topic/partition/offset`. */
  get outOfTurn(): readonly string[] {
    return this.#outOfTurn;
  }

  /** How many commands were taken although they were not next by the sequences. */
  get outOfTurnCount(): number {
    return this.#outOfTurnCount;
  }

  /** Yields the commands in this order. */
  async *commands(): AsyncGenerator<OrderedCommand> {
    const lanes = this.#lanes.map((lane) => new LaneCursor(this.#past, lane));
    for (const lane of lanes) await lane.advance();
    let last: LaneCursor | null = null;
    for (;;) {
      const waiting = lanes.filter(({ head }) => head !== null);
      if (waiting.length === 0) return;
      const ready = waiting.filter(({ head }) => head && this.#isNext(head));
      const lane: LaneCursor | null = earliest(ready.length > 0 ? ready : waiting, last);
      if (!lane?.head) return;
      const { ordered, versions } = lane.head;
      if (ready.length === 0) this.#noteOutOfTurn(ordered);
      for (const { sku, after } of versions)
        this.#versions.set(sku, Math.max(after, this.#versions.get(sku) ?? 0));
      last = lane;
      await lane.advance();
      yield ordered;
    }
  }

  #isNext({ versions }: NextCommand): boolean {
    return versions.every(({ sku, before }) => (this.#versions.get(sku) ?? 0) >= before);
  }

  #noteOutOfTurn({ lane, offset }: OrderedCommand): void {
    this.#outOfTurnCount += 1;
    if (this.#outOfTurn.length < OUT_OF_TURN_NAMED) this.#outOfTurn.push(`${lane}/${offset}`);
  }
}

/**
 * Returns the lane with the earliest command. The last lane goes on at equal times, because the
 * answers of one transaction have one time.
 */
function earliest(lanes: readonly LaneCursor[], last: LaneCursor | null): LaneCursor | null {
  const timeOf = (lane: LaneCursor | null) => lane?.head?.timeMs ?? Number.POSITIVE_INFINITY;
  return lanes.reduce<LaneCursor | null>((best, lane) => {
    if (timeOf(lane) < timeOf(best)) return lane;
    return lane === last && timeOf(lane) === timeOf(best) ? lane : best;
  }, null);
}
