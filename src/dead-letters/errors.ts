import { AllocationError } from '../domain/errors.ts';
import type { UnreadableMessage } from '../messages/unreadable.ts';

/** The operator's choice of dead letters cannot be carried out. The message says how to choose. */
export class SelectionError extends AllocationError {
  override readonly code = 'wrong-selection';
}

/** The dead letters topic has no such letter. */
export class NoLetterError extends AllocationError {
  override readonly code = 'no-letter';
  /** What the operator named: the place of a letter, or the id of a command. */
  readonly letter: string;

  constructor(message: string, letter: string) {
    super(message);
    this.letter = letter;
  }
}

/** The letter to edit was discarded before, or redriven in another way. Nothing was sent. */
export class ResolvedLetterError extends AllocationError {
  override readonly code = 'resolved-letter';
}

/** An edit cannot be sent. Nothing was sent. */
export class EditError extends AllocationError {
  override readonly code = 'wrong-edit';
  /** Says which fields are wrong. Null: the fields are right. */
  readonly refusal: UnreadableMessage | null;

  constructor(message: string, refusal: UnreadableMessage | null = null) {
    super(message);
    this.refusal = refusal;
  }
}
