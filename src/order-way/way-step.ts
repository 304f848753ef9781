/** What happened in one step. `parked`: the command waits behind one that failed. */
export const STEP_KINDS = [
  'received',
  'decided',
  'published',
  'dead-letter',
  'parked',
  'redriven',
  'edited',
  'discarded',
] as const;
export type StepKind = (typeof STEP_KINDS)[number];

/** One thing that happened to an order. `kind`, `place` and `eventId` together name it. */
export interface WayStep {
  readonly kind: StepKind;
  /** ISO 8601, by the clock of the process that acted. The clock of a sender may be wrong. */
  readonly at: string;
  /** Where the step is recorded: `topic/partition/offset`. */
  readonly place: string;
  /** The key of the record. Null: it has none. */
  readonly key: string | null;
  /** The type of the command or the event. Null: nobody can read it. */
  readonly type: string | null;
  readonly commandId: string | null;
  readonly eventId: string | null;
  readonly sku: string | null;
  readonly batchref: string | null;
  /** The `ce_sequence` of the event. */
  readonly sequence: number | null;
  /** The step in a few plain words. */
  readonly details: string;
}

/** A step with the fields that link it to the steps before and after it. */
export interface LinkedStep extends WayStep {
  /** The place of the command message that the step belongs to. */
  readonly commandPlace: string;
  /** How often the command of the step was redriven before. Null: the step does not say. */
  readonly redrives: number | null;
  /** The id of the command that was sent instead. Absent: the step is no edit. */
  readonly replacedBy?: string;
}

/** The fields that every step has, and that most kinds of steps leave empty. */
export const EMPTY_FIELDS = {
  commandId: null,
  eventId: null,
  sku: null,
  batchref: null,
  sequence: null,
  redrives: null,
} as const;
