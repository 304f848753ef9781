/** Every code that an error of this service can have. */
export type ErrorCode =
  // The domain.
  | 'invalid-uuid'
  | 'line-differs'
  | 'out-of-stock'
  | 'too-many-lines'
  // Messages and configuration.
  | 'config'
  | 'invalid-data'
  | 'invalid-document'
  | 'malformed'
  // The service layer.
  | 'fenced'
  | 'message-too-large'
  | 'missing-topic'
  | 'too-much-at-once'
  | 'trouble'
  // The adapters.
  | 'invalid-database-url'
  | 'marked-database'
  | 'newer-database'
  | 'no-database'
  | 'other-log'
  | 'unfoldable'
  // The entrypoints, the audit, the dead letters, the jobs, the replays and the command line.
  | 'interrupted'
  | 'job-running'
  | 'listen'
  | 'no-letter'
  | 'no-more-jobs'
  | 'replay-refused'
  | 'resolved-letter'
  | 'unaudited'
  | 'unsettled'
  | 'usage'
  | 'wrong-edit'
  | 'wrong-selection';

/** The parts of an error besides its message. */
interface ErrorParts extends ErrorOptions {
  /** What to do next: the words with which the message ends. */
  readonly advice?: string | null;
}

/**
 * The base of this service's own errors.
 *
 * Each class has one `code`, which programs compare. The `message` is for people: it says what
 * happened, where, and what to do next. An error that answers another one keeps it as its `cause`.
 * `service-layer/recoverability.ts` decides whether trying again helps.
 *
 * @example
 * class NoSuchBatchError extends AllocationError {
 *   override readonly code = 'no-such-batch';
 * }
 */
export abstract class AllocationError extends Error {
  abstract readonly code: ErrorCode;
  readonly #advice: string | null;

  /** @param parts `cause`: the error that led to this one */
  constructor(message?: string, { advice = null, ...options }: ErrorParts = {}) {
    super(message, options);
    this.name = new.target.name;
    this.#advice = advice;
  }

  /** The end of the message, if that says what to do next. Null: the error does not tell. */
  get advice(): string | null {
    return this.#advice;
  }
}
