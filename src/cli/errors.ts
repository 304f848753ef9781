import { CommanderError } from 'commander';
import { AllocationError } from '../domain/errors.ts';
import { InterruptedError } from './interruption.ts';

/** The user typed a command that cannot be run: exit code 2. */
export class UsageError extends AllocationError {
  override readonly code = 'usage';
}

/** There is no database where the user named one. */
export class MissingDatabaseError extends AllocationError {
  override readonly code = 'no-database';
}

/** Returns 0 if the user asked for help, 2 for wrong usage, and 1 for most other errors. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof InterruptedError) return error.exitCode;
  return error instanceof UsageError ? 2 : 1;
}

/** Describes in one line what is wrong and what to do. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // The message lists commands to copy, each on a line of its own.
  if ('code' in error && error.code === 'missing-topic')
    return error.message.replace(/:\n/, ': ').replaceAll('\n', ' && ');
  // Node collects failed connections to several addresses of a host in an error without a message.
  if (error instanceof AggregateError && error.message === '')
    return error.errors.map(describeError).join('; ');
  return error.message || error.name;
}
