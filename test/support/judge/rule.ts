import type { DeletedRecords } from './deleted-records.ts';
import type { Answer, HandledCommand, LaneCommand } from './evidence.ts';
import type { History } from './history.ts';
import type { Report } from './violations.ts';

/** What a history may show besides answers. Each allowance is off by default. */
export interface Allowances {
  /** Whether a handler may have failed on the command for good. */
  readonly mayFail?: (command: LaneCommand) => boolean;
  /**
   * Whether an operator began to discard the command. The topic does not show a discard that was
   * interrupted after it had reached the database.
   */
  readonly mayBeDiscarded?: (command: LaneCommand) => boolean;
  /** Whether commands may still wait behind a failed command. */
  readonly mayStayParked?: boolean;
  /**
   * Whether the history goes on, so that a missing answer may still come. The judge then checks
   * only what was published.
   */
  readonly isUnderWay?: boolean;
}

/** A history, and what the judge has read out of it. */
export interface Case {
  readonly history: History;
  readonly allowances: Allowances;
  readonly deleted: DeletedRecords;
  /** The answers, by the place of the answered command. */
  readonly answers: ReadonlyMap<string, Answer>;
  readonly commands: readonly LaneCommand[];
  /** What each lane has handled, in the order of the lane. */
  readonly lanes: readonly (readonly HandledCommand[])[];
  /** The products that miss events, so that the remaining events do not explain their stock. */
  readonly unknownSkus: ReadonlySet<string>;
}

/** Checks one thing about a history, and reports what breaks it. */
export type Rule = (judged: Case, report: Report) => void;
