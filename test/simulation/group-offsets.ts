import type { GroupPosition } from '../../src/service-layer/records.ts';
import type { Outages } from './outages.ts';
import type { World } from './world.ts';

/** How long after a move of the group an unstable answer may be the offset before the move. */
const OLD_OFFSETS_MS = 3_000;

/** The committed offsets of the group in the commands topic. */
export class GroupOffsets {
  readonly #world: World;
  readonly #outages: Outages;
  readonly #partitions: number;
  readonly #committed = new Map<number, number>();
  /** Where the group stood before its latest move, and when it moved. */
  readonly #former = new Map<
    number,
    { readonly offset: number | null; readonly movedMs: number }
  >();
  /** How many transactions that move the group are ending. */
  #unsettled = 0;

  constructor(world: World, outages: Outages, partitions: number) {
    this.#world = world;
    this.#outages = outages;
    this.#partitions = partitions;
  }

  get committed(): ReadonlyMap<number, number> {
    return this.#committed;
  }

  /** Returns C of each partition, or null while a transaction that moves the group is ending. */
  stable(): readonly (number | null)[] | null {
    this.#outages.ask('group');
    if (this.#unsettled > 0) return null;
    return Array.from(
      { length: this.#partitions },
      (_, partition) => this.#committed.get(partition) ?? null,
    );
  }

  /** Answers a client that does not ask for stable offsets: now and then with the former ones. */
  unstable(): readonly (number | null)[] {
    return Array.from({ length: this.#partitions }, (_, partition) => {
      const former = this.#former.get(partition);
      const isOld =
        former && this.#world.nowMs - former.movedMs < OLD_OFFSETS_MS && this.#world.chance(0.5);
      return isOld ? former.offset : (this.#committed.get(partition) ?? null);
    });
  }

  /** Notes that a transaction is about to move the group. @returns moves the group */
  beginMove(positions: readonly GroupPosition[]): () => void {
    this.#unsettled += 1;
    return () => {
      this.#unsettled -= 1;
      for (const { partition, nextOffset } of positions) {
        const offset = this.#committed.get(partition) ?? null;
        this.#former.set(partition, { offset, movedMs: this.#world.nowMs });
        this.#committed.set(partition, nextOffset);
      }
    };
  }

  /** Loses the offsets. Those that a transaction is about to commit stay. */
  forget(): void {
    this.#world.trace('the offsets of the group are gone');
    this.#committed.clear();
  }
}
