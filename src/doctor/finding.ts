import { AllocationError } from '../domain/errors.ts';

/** Something that an operator should mend. */
export interface Finding {
  /** What is wrong, and where. */
  readonly problem: string;
  /** What the problem may lead to. */
  readonly risk: string;
  /** What to do: a command, or what to set. */
  readonly remedy: string;
}

/** How deep the causes of an error are searched. */
const MAX_DEPTH = 10;

/**
 * Makes a finding of an error. The remedy is the advice of the error, or of one of its causes.
 *
 * @param advice `otherwise`: what to do if none of them has an advice
 */
export function findingOf(
  error: unknown,
  { risk, otherwise }: { readonly risk: string; readonly otherwise: string },
): Finding {
  const message = error instanceof Error ? error.message.trim() : String(error);
  const advice = adviceIn(error);
  if (advice === null) return { problem: message, risk, remedy: otherwise };
  // The message ends with the advice, after a full stop or a colon.
  const problem = message.endsWith(advice) ? message.slice(0, -advice.length - 2) : message;
  return { problem, risk, remedy: advice };
}

function adviceIn(error: unknown, depth = 0): string | null {
  if (!(error instanceof Error) || depth > MAX_DEPTH) return null;
  if (error instanceof AllocationError && error.advice !== null) return error.advice;
  const causes = [error.cause, ...(error instanceof AggregateError ? error.errors : [])];
  return causes.reduce<string | null>((found, each) => found ?? adviceIn(each, depth + 1), null);
}
