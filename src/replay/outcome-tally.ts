import { idOf } from '../domain/identity.ts';
import { isWithin } from './bounds.ts';
import type { OrderedCommand } from './lane-cursor.ts';
import { compareOutcomes, type Failure, type Outcome, skusIn } from './outcomes.ts';
import type { WhatIfPlan } from './what-if-plan.ts';
import type { CommandDifference, CommandFilter, WhatIfReport } from './what-if-report.ts';

/** How many differences a report lists. */
const DIFFERENCES_LISTED = 50;

type TallyReport = Pick<
  WhatIfReport,
  'folded' | 'handled' | 'same' | 'different' | 'skipped' | 'differences'
>;

/** Counts what becomes of each command of a what-if, and compares outcomes. */
export class OutcomeTally {
  readonly #plan: Pick<WhatIfPlan, 'from' | 'to' | 'unanswered'>;
  readonly #filter: CommandFilter;
  readonly #counts = { folded: 0, handled: 0, same: 0 };
  readonly #different: Partial<Record<CommandDifference['kind'], number>> = {};
  readonly #skipped = { deadLetters: 0, repeated: 0, notCompared: 0 };
  readonly #differences: CommandDifference[] = [];

  constructor(plan: Pick<WhatIfPlan, 'from' | 'to' | 'unanswered'>, filter: CommandFilter) {
    this.#plan = plan;
    this.#filter = filter;
  }

  get report(): TallyReport {
    return {
      ...this.#counts,
      different: this.#different,
      skipped: { ...this.#skipped, unanswered: this.#plan.unanswered },
      differences: this.#differences,
    };
  }

  /** Tells whether the command lies in the range in question. */
  isInRange({ offset, timestampMs }: Pick<OrderedCommand, 'offset' | 'timestampMs'>): boolean {
    return timestampMs !== null && isWithin({ offset, timestampMs }, this.#plan);
  }

  /** Counts a command whose published events are part of the state before the first handling. */
  countFolded(command: OrderedCommand): void {
    if (!command.wasHandled) {
      this.countSkipped(command);
      return;
    }
    this.#counts.folded += 1;
    if (this.isInRange(command)) this.#skipped.notCompared += 1;
  }

  /** Counts a dead letter or a repeat. */
  countSkipped(command: OrderedCommand): void {
    if (this.isInRange(command)) this.#skipped[command.isDead ? 'deadLetters' : 'repeated'] += 1;
  }

  /** Counts a command that was handled again, and compares its outcome with the published one. */
  countHandled(ordered: OrderedCommand, now: Outcome | Failure): void {
    this.#counts.handled += 1;
    const published = ordered.published ?? [];
    if (!this.isInRange(ordered) || !this.#matches(ordered, now)) {
      this.#skipped.notCompared += 1;
      return;
    }
    const difference = compareOutcomes(published, now);
    if (!difference) {
      this.#counts.same += 1;
      return;
    }
    this.#different[difference.kind] = (this.#different[difference.kind] ?? 0) + 1;
    if (this.#differences.length === DIFFERENCES_LISTED) return;
    const { identity, command, lane, offset, hasSequence } = ordered;
    this.#differences.push({
      id: idOf(identity),
      type: command?.type ?? null,
      place: `${lane}/${offset}`,
      placedBy: hasSequence ? 'sequence' : 'time',
      ...difference,
    });
  }

  #matches({ command, published }: OrderedCommand, now: Outcome | Failure): boolean {
    const { type, sku } = this.#filter;
    if (type !== null && command?.type !== type) return false;
    const outcomes = 'failure' in now ? [published ?? []] : [published ?? [], now];
    return sku === null || skusIn(command, outcomes).has(sku);
  }
}
