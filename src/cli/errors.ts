import { CommanderError } from 'commander';

/** The command was typed wrongly: exit code 2. */
export class UsageError extends Error {
  readonly code = 'usage';
}

/** 0: no error (help was asked for), 2: wrong usage, 1: everything else. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  return error instanceof UsageError ? 2 : 1;
}

/** What is wrong and what to do, in one line. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // It lists commands to copy.
  if ('code' in error && error.code === 'missing-topic')
    return error.message.replace(/:\n/, ': ').replaceAll('\n', ' && ');
  // Node gathers the attempts at several addresses of one host in an error without words.
  if (error instanceof AggregateError && error.message === '')
    return error.errors.map(describeError).join('; ');
  return error.message || error.name;
}
