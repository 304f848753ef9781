import type { Command } from '../domain/commands.ts';
import type { SkippedRecords } from './foreign-records.ts';
import type { OutcomeDifference, OutcomeDifferenceKind } from './outcomes.ts';

/** A command that has another outcome now. */
export interface CommandDifference extends OutcomeDifference {
  readonly id: string;
  /** Null: the message cannot be read as a command now. */
  readonly type: Command['type'] | null;
  /** `topic/partition/offset` */
  readonly place: string;
  /**
   * What tells the command's turn among the commands of other partitions. `time`: the command
   * changed no product, so only clocks tell, and its turn may be wrong.
   */
  readonly placedBy: 'sequence' | 'time';
}

/** The commands whose outcome is compared. Null: any. All commands are handled in any case. */
export interface CommandFilter {
  readonly type: Command['type'] | null;
  readonly sku: string | null;
}

/** The result of a what-if. */
export interface WhatIfReport {
  /** How many commands made the state on which the first command was handled again. */
  readonly folded: number;
  readonly handled: number;
  /** How many commands have the same outcome. */
  readonly same: number;
  /** How many commands have another outcome, by kind. */
  readonly different: Readonly<Partial<Record<OutcomeDifferenceKind, number>>>;
  readonly skipped: {
    /** Commands that went to the dead letters. */
    readonly deadLetters: number;
    /** Commands whose id was answered elsewhere. */
    readonly repeated: number;
    /** Commands that the group has not answered yet. */
    readonly unanswered: number;
    /** Commands outside the range or the filter. They are handled for the state that they leave. */
    readonly notCompared: number;
  };
  /** Records of others that were skipped because the operator decided so. */
  readonly foreign: SkippedRecords;
  /**
   * Commands that were handled before their turn by the sequences, because events are missing. The
   * first places are named.
   */
  readonly outOfTurn: { readonly count: number; readonly first: readonly string[] };
  /** The first differences. */
  readonly differences: readonly CommandDifference[];
}

/** Judges a report. The verdict `equal` needs at least one compared outcome. */
export function verdictOfWhatIf({
  same,
  different,
}: Pick<WhatIfReport, 'same' | 'different'>): 'equal' | 'different' | 'nothing-compared' {
  if (Object.keys(different).length > 0) return 'different';
  return same > 0 ? 'equal' : 'nothing-compared';
}
