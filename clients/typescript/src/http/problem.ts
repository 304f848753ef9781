import type { FieldProblem } from '../commands/validate-command.ts';
import { AllocationClientError } from '../errors.ts';
import { isObject } from '../values.ts';

/** The service answered with a problem (RFC 9457). Subclasses say what to do about it. */
export class ProblemError extends AllocationClientError {
  override readonly name: string = 'ProblemError';
  override readonly code: 'problem' | 'refused-command' | 'no-access' | 'unavailable' = 'problem';
  readonly status: number;
  readonly title: string;
  /** A sentence for people. */
  readonly detail: string;

  constructor({ status, title, detail }: ProblemFields) {
    super(`${status} ${title}: ${detail}`);
    this.status = status;
    this.title = title;
    this.detail = detail;
  }
}

/** The service refuses the command. Correct the command, and send it under a new id. */
export class RefusedCommandError extends ProblemError {
  override readonly name = 'RefusedCommandError';
  override readonly code = 'refused-command';
  /** What a dead letter would have as its reason. Null: the request as a whole is wrong. */
  readonly reason: string | null;
  /** The fields that are wrong, at most 20. */
  readonly fields: readonly FieldProblem[];

  constructor(problem: ProblemFields) {
    super(problem);
    this.reason = problem.reason;
    this.fields = problem.fields;
  }
}

/** The token is missing, not valid, or lacks a role. */
export class AccessError extends ProblemError {
  override readonly name = 'AccessError';
  override readonly code = 'no-access';
  /** The role that the token lacks. Null: the service does not say. */
  readonly role: string | null;

  constructor(problem: ProblemFields) {
    super(problem);
    this.role = problem.role;
  }
}

/** The service cannot do it now, in all attempts. A command may have been accepted all the same. */
export class UnavailableError extends ProblemError {
  override readonly name = 'UnavailableError';
  override readonly code = 'unavailable';
  /** When the service wants to be asked again, in seconds. Null: the service does not say. */
  readonly retryAfterSeconds: number | null;

  constructor(problem: ProblemFields) {
    super(problem);
    this.retryAfterSeconds = problem.retryAfterSeconds;
  }
}

/** What a problem says. */
interface ProblemFields {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly reason: string | null;
  readonly fields: readonly FieldProblem[];
  readonly role: string | null;
  readonly retryAfterSeconds: number | null;
}

const CLASSES = new Map<number, new (problem: ProblemFields) => ProblemError>([
  [400, RefusedCommandError],
  [413, RefusedCommandError],
  [415, RefusedCommandError],
  [401, AccessError],
  [403, AccessError],
  [429, UnavailableError],
  [502, UnavailableError],
  [503, UnavailableError],
  [504, UnavailableError],
]);

/** Reads a problem from an answer. A proxy may have sent another body: that is a problem too. */
export async function problemOf(response: Response): Promise<ProblemError> {
  const text = await response.text();
  const body = parse(text);
  const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN);
  const problem: ProblemFields = {
    status: response.status,
    title: textIn(body, 'title') ?? response.statusText,
    detail: textIn(body, 'detail') ?? text.slice(0, 200),
    reason: textIn(body, 'reason'),
    fields: Array.isArray(body.errors) ? body.errors : [],
    role: textIn(body, 'role'),
    retryAfterSeconds: Number.isFinite(retryAfter) ? retryAfter : null,
  };
  return new (CLASSES.get(response.status) ?? ProblemError)(problem);
}

function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    const body: unknown = JSON.parse(text);
    return isObject(body) ? body : {};
  } catch {
    return {};
  }
}

function textIn(body: Readonly<Record<string, unknown>>, name: string): string | null {
  const value = body[name];
  return typeof value === 'string' ? value : null;
}
