import { DEAD_LETTER_REASONS } from '../../messages/dead-letter-reasons.ts';
import type { MetricBook } from './book.ts';

/** The dead letters of one reason that nobody has redriven or discarded. */
export interface OpenLetters {
  readonly reason: string;
  readonly count: number;
  /** When the oldest of them was written. Null: the index has no room for any of them. */
  readonly oldestMs: number | null;
}

export interface LetterSources {
  /** Counts open dead letters in an index. Null: the index has not read the topic yet. */
  readonly openLetters: () => readonly OpenLetters[] | null;
}

/** Stands for reasons of letters that another program wrote to the dead letters topic. */
const OTHER = 'other';
const REASONS = [...Object.keys(DEAD_LETTER_REASONS), OTHER];

const OF_TOPIC = ' (the whole topic, so the same from each instance)';

/** Exports which dead letters are open. */
export function exportOpenLetters(book: MetricBook, { openLetters }: LetterSources): void {
  let known: ReadonlyMap<string, OpenLetters> | null = null;
  const labels = { reason: REASONS };
  book.gauge(
    {
      name: 'allocation_open_dead_letters',
      help: `Dead letters that nobody has redriven or discarded${OF_TOPIC}`,
      labels,
    },
    () => {
      known = byKnownReason(openLetters());
      return REASONS.flatMap((reason) =>
        known === null ? [] : [{ labels: { reason }, value: known.get(reason)?.count ?? 0 }],
      );
    },
  );
  book.gauge(
    {
      name: 'allocation_open_dead_letter_oldest_seconds',
      help: `Age of the oldest one; no series: there is none, or the index lacks it${OF_TOPIC}`,
      labels,
    },
    // A scrape reads the metrics in their order. So these are the letters of the metric above.
    () =>
      [...(known ?? [])].flatMap(([reason, { oldestMs }]) =>
        oldestMs === null
          ? []
          : [{ labels: { reason }, value: Math.max(0, Date.now() - oldestMs) / 1_000 }],
      ),
  );
}

function byKnownReason(
  letters: readonly OpenLetters[] | null,
): ReadonlyMap<string, OpenLetters> | null {
  if (letters === null) return null;
  const known = new Map<string, OpenLetters>();
  for (const each of letters) {
    const reason = REASONS.includes(each.reason) ? each.reason : OTHER;
    const former = known.get(reason);
    known.set(reason, {
      reason,
      count: each.count + (former?.count ?? 0),
      oldestMs: earlierOf(each.oldestMs, former?.oldestMs ?? null),
    });
  }
  return known;
}

function earlierOf(oneMs: number | null, otherMs: number | null): number | null {
  return oneMs === null || otherMs === null ? (oneMs ?? otherMs) : Math.min(oneMs, otherMs);
}
