/** Another process has taken this lane over. */
export class FencedError extends Error {
  readonly code = 'fenced';
}

/**
 * The database is another server's by now, or its server has started again. It may not have all
 * that was committed before.
 */
export class FailoverError extends FencedError {
  /** Where the database is now, as `LanePosition.timeline` tells. */
  readonly timeline: string | undefined;

  constructor(message: string, timeline: string | undefined) {
    super(message);
    this.timeline = timeline;
  }
}

/** Database or broker trouble: nothing is wrong with the message, and trying again later is right. */
export class TroubleError extends Error {
  readonly code = 'trouble';
}

/** Several commands together take more memory than one transaction may: fewer of them must share one. */
export class TooMuchAtOnceError extends Error {
  readonly code = 'too-much-at-once';
}

export class MissingTopicError extends Error {
  readonly code = 'missing-topic';
}
