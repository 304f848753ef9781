import { COMMAND_TYPES } from '../../domain/command-scopes.ts';
import type { Command } from '../../domain/commands.ts';
import { DEAD_LETTER_REASONS, type DeadLetterReason } from '../../messages/dead-letter-reasons.ts';
import { REJECTION_REASONS } from '../../messages/rejections.ts';
import type { AnswerRecord } from '../../service-layer/lane-store.ts';
import { type AnswerTally, EVENT_TYPES, OUTCOMES, UNREADABLE } from '../answer-tally.ts';
import type { MetricBook } from './book.ts';

const TYPES = [...COMMAND_TYPES, UNREADABLE] as const;
const REASONS = Object.keys(DEAD_LETTER_REASONS) as readonly DeadLetterReason[];

/** Counts what becomes of commands, once for each committed transaction. */
export class CommandMetrics {
  readonly #commands;
  readonly #events;
  readonly #rejections;
  readonly #deadLetters;
  readonly #unknownFields;

  constructor(book: MetricBook) {
    this.#commands = book.counter({
      name: 'allocation_commands_total',
      help:
        'Messages of the commands topic, by what became of them. A command with several lines ' +
        'counts once: as rejected if a line was, else as out-of-stock if a line was, else as ' +
        'accepted',
      labels: { type: TYPES, outcome: OUTCOMES },
    });
    this.#events = book.counter({
      name: 'allocation_events_total',
      help: 'Events that lanes decided. Each event of a composite counts',
      labels: { type: EVENT_TYPES },
    });
    this.#rejections = book.counter({
      name: 'allocation_rejections_total',
      help: 'Commands, or lines of one, that were rejected',
      labels: { reason: REJECTION_REASONS },
    });
    this.#deadLetters = book.counter({
      name: 'allocation_dead_letters_total',
      help: 'Dead letters that were written',
      labels: { reason: REASONS },
    });
    this.#unknownFields = book.counter({
      name: 'allocation_unknown_fields_total',
      help: 'Unknown fields of commands that the service ignored, at most 20 of each command',
      labels: { type: COMMAND_TYPES },
    });
  }

  /** Counts the commands of one transaction. */
  countAnswers({ commands, events, rejections }: AnswerTally): void {
    // `Object.entries` would cost more than everything else here.
    for (const type of TYPES)
      for (const outcome of OUTCOMES) {
        const count = commands[type][outcome];
        if (count > 0) this.#commands.inc({ type, outcome }, count);
      }
    for (const type of EVENT_TYPES) if (events[type] > 0) this.#events.inc({ type }, events[type]);
    for (const reason of REJECTION_REASONS)
      if (rejections[reason] > 0) this.#rejections.inc({ reason }, rejections[reason]);
  }

  /** Counts the dead letters of one transaction, by the reasons in their headers. */
  countDeadLetters(letters: readonly Pick<AnswerRecord, 'headers'>[]): void {
    for (const { headers } of letters)
      this.#deadLetters.inc({ reason: String(headers['dead-letter-reason']) });
  }

  /** Counts fields of a command that the service ignored. */
  countUnknownFields(type: Command['type'], count: number): void {
    this.#unknownFields.inc({ type }, count);
  }
}
