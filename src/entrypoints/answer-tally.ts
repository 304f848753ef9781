import type { Command } from '../domain/commands.ts';
import type { Event, RejectionReason } from '../domain/events.ts';
import type { ParkedCommand } from '../service-layer/parked-command.ts';
import type { CommandRecord } from './read-delivery.ts';

/** What became of a command. `parked`: it waits behind a command that failed. */
export type CommandOutcome =
  | 'accepted'
  | 'out-of-stock'
  | 'rejected'
  | 'dead-letter'
  | 'parked'
  | 'repeated';

/** What the tally reads of an answer. */
interface TalliedAnswer extends Pick<CommandRecord, 'incoming'> {
  readonly events: readonly Event[] | null;
  readonly parked: ParkedCommand | null;
}

type Counts<Name extends string> = Record<Name, number>;

/** Stands for the type of a message that is no command. */
export const UNREADABLE = 'unreadable';

/** Counts of what became of the commands of one transaction. */
export interface AnswerTally {
  readonly commands: Readonly<Record<Command['type'] | typeof UNREADABLE, Counts<CommandOutcome>>>;
  readonly events: Counts<Event['type']>;
  readonly rejections: Counts<RejectionReason>;
}

const noOutcomes = (): Counts<CommandOutcome> => ({
  accepted: 0,
  'out-of-stock': 0,
  rejected: 0,
  'dead-letter': 0,
  parked: 0,
  repeated: 0,
});

const newTally = (): AnswerTally => ({
  commands: {
    CreateBatch: noOutcomes(),
    AllocateOrder: noOutcomes(),
    ChangeBatchQuantity: noOutcomes(),
    DeallocateOrder: noOutcomes(),
    [UNREADABLE]: noOutcomes(),
  },
  events: {
    BatchCreated: 0,
    Allocated: 0,
    AlreadyAllocated: 0,
    Deallocated: 0,
    OutOfStock: 0,
    BatchQuantityChanged: 0,
    CommandRejected: 0,
  },
  rejections: {
    'unknown-sku': 0,
    'unknown-batch': 0,
    'unknown-order': 0,
    'batch-differs': 0,
    'line-differs': 0,
  },
});

const ZERO = newTally();
export const OUTCOMES = Object.keys(ZERO.commands[UNREADABLE]) as readonly CommandOutcome[];
export const EVENT_TYPES = Object.keys(ZERO.events) as readonly Event['type'][];

/**
 * Counts what became of the commands of one transaction.
 * @param records all records of the transaction
 * @param answers what came of them; a repeated command has none
 */
export function tallyAnswers(
  records: readonly Pick<CommandRecord, 'incoming'>[],
  answers: readonly TalliedAnswer[],
): AnswerTally {
  const tally = newTally();
  for (const answer of answers) tally.commands[typeOf(answer)][outcomeOf(answer, tally)] += 1;
  if (answers.length < records.length) tallyRepeats(records, answers, tally);
  return tally;
}

function typeOf({ incoming }: Pick<CommandRecord, 'incoming'>): keyof AnswerTally['commands'] {
  return incoming.kind === 'command' ? incoming.command.type : UNREADABLE;
}

function outcomeOf({ events, parked }: TalliedAnswer, tally: AnswerTally): CommandOutcome {
  if (events === null) return (parked?.behind.length ?? 0) > 0 ? 'parked' : 'dead-letter';
  let outcome: CommandOutcome = 'accepted';
  for (const event of events) {
    tally.events[event.type] += 1;
    if (event.type === 'CommandRejected') {
      tally.rejections[event.reason] += 1;
      outcome = 'rejected';
    } else if (event.type === 'OutOfStock' && outcome === 'accepted') outcome = 'out-of-stock';
  }
  return outcome;
}

function tallyRepeats(
  records: readonly Pick<CommandRecord, 'incoming'>[],
  answers: readonly TalliedAnswer[],
  { commands }: AnswerTally,
): void {
  for (const record of records) commands[typeOf(record)].repeated += 1;
  for (const answer of answers) commands[typeOf(answer)].repeated -= 1;
}
