import type {
  DifferenceKind,
  StockDifference,
} from '../adapters/database/replay/stock-comparison.ts';

/** What is wrong in the events topic, or with a lane. */
type TopicDifferenceKind =
  | 'event-missing'
  | 'event-repeated'
  | 'event-conflict'
  | 'event-out-of-order'
  | 'foreign-record'
  | 'position';

/** One difference between a database and the topics, in words. */
export interface Difference extends Omit<StockDifference, 'kind'> {
  readonly kind: DifferenceKind | TopicDifferenceKind;
}

/** How many differences of each kind are listed. */
export const LISTED_OF_EACH_KIND = 5;

/** Says in one line what a difference is. */
export function differenceInWords({ kind, subject, expected, found, event }: Difference): string {
  const source = event === null ? '' : ` (the event ${event})`;
  return `${kind}: ${subject}: expected ${expected}, found ${found}${source}`;
}

/** Counts differences, and lists the first of each kind. */
export class Differences {
  readonly #onAdded: (differences: Differences) => void;
  readonly #counts: Partial<Record<Difference['kind'], number>> = {};
  readonly #first: Difference[] = [];

  /** @param onAdded called after each `add` and `addAll` */
  constructor(onAdded: (differences: Differences) => void = () => {}) {
    this.#onAdded = onAdded;
  }

  get counts(): Readonly<Partial<Record<Difference['kind'], number>>> {
    return this.#counts;
  }

  get first(): readonly Difference[] {
    return this.#first;
  }

  /** Adds one difference. */
  add(
    kind: TopicDifferenceKind,
    subject: string,
    expected: string,
    found: string,
    event: string | null = null,
  ): void {
    const count = (this.#counts[kind] ?? 0) + 1;
    this.#counts[kind] = count;
    if (count <= LISTED_OF_EACH_KIND) this.#first.push({ kind, subject, expected, found, event });
    this.#onAdded(this);
  }

  /** Adds all differences of one kind: their count, and the first of them. */
  addAll(kind: DifferenceKind, count: number, first: readonly StockDifference[]): void {
    this.#counts[kind] = count;
    this.#first.push(...first);
    this.#onAdded(this);
  }
}
