import type { HistoryRecord } from '../support/judge/history.ts';

/** When a transaction that answered commands began, and when it was committed. */
interface Decision {
  readonly partition: number;
  /** The offset behind the last command that the transaction answered. */
  readonly nextOffset: number;
  readonly beganMs: number;
  readonly committedMs: number;
}

const PLACE = /^.+\/(\d+)\/(\d+)(?:\.\d+)?$/;

function placeTold({ headers }: HistoryRecord): readonly (string | undefined)[] {
  if (headers['dead-letter-reason'] !== undefined)
    return [headers['dead-letter-partition'], headers['dead-letter-offset']];
  return PLACE.exec(headers.ce_id ?? '')?.slice(1) ?? [];
}

/**
 * Notes when transactions were committed. Where several are open at once, only that counts, and
 * nobody sees it from outside.
 */
export class Decisions {
  readonly #decisions: Decision[] = [];

  note(decision: Decision): void {
    this.#decisions.push(decision);
  }

  /** Returns the event or dead letter with the time of its decision, or null: never committed. */
  timed(told: HistoryRecord): HistoryRecord | null {
    const [partition, offset] = placeTold(told);
    const decision = this.#decisions
      .filter((each) => each.partition === Number(partition) && each.nextOffset > Number(offset))
      .reduce<Decision | null>(
        (first, each) => (first && first.nextOffset <= each.nextOffset ? first : each),
        null,
      );
    if (!decision) return null;
    return { ...told, sinceAt: textOf(decision.beganMs), madeAt: textOf(decision.committedMs) };
  }
}

/** Writes a time finer than a millisecond, because two commits may be that close. */
function textOf(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, -1)}${(ms % 1).toFixed(9).slice(2)}Z`;
}
