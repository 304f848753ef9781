import type { FieldProblem } from './commands/validate-command.ts';

/** The base of all errors that this client makes. */
export abstract class AllocationClientError extends Error {
  /** Tells the kinds of errors apart, also between two copies of this package. */
  abstract readonly code:
    | 'invalid-command'
    | 'unknown-key'
    | 'problem'
    | 'refused-command'
    | 'no-access'
    | 'unavailable'
    | 'unreachable'
    | 'unexpected-answer';
}

/** A command breaks the rules of the contract. Nothing was sent. */
export class InvalidCommandError extends AllocationClientError {
  override readonly name = 'InvalidCommandError';
  override readonly code = 'invalid-command';
  readonly fields: readonly FieldProblem[];

  constructor(type: string, fields: readonly FieldProblem[]) {
    super(`${type}: ${fields.map(({ field, message }) => `${field} ${message}`).join('; ')}`);
    this.fields = fields;
  }
}

/** The key of a record cannot be known from the command alone. Name the skus of the command. */
export class UnknownKeyError extends AllocationClientError {
  override readonly name = 'UnknownKeyError';
  override readonly code = 'unknown-key';
}

/** The service answered no attempt. A command may or may not have been accepted. */
export class UnreachableError extends AllocationClientError {
  override readonly name = 'UnreachableError';
  override readonly code = 'unreachable';
}

/** Something answered that is not the service, or a service that this client does not know. */
export class UnexpectedAnswerError extends AllocationClientError {
  override readonly name = 'UnexpectedAnswerError';
  override readonly code = 'unexpected-answer';
}
