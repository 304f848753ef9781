import { AllocationError } from '../domain/errors.ts';

/** Another process has taken over the lane, or its producer. This process must no longer write. */
export class FencedError extends AllocationError {
  override readonly code = 'fenced';
}

/**
 * Another database server has taken over, or the server has started again. The database may lack
 * transactions that were committed before.
 */
export class FailoverError extends FencedError {
  /** The database's timeline now, as `LanePosition.timeline` has it. */
  readonly timeline: string | undefined;

  constructor(message: string, timeline: string | undefined) {
    super(message);
    this.timeline = timeline;
  }
}

/** The database or the broker cannot be reached, or cannot answer. Trying again later helps. */
export class TroubleError extends AllocationError {
  override readonly code = 'trouble';
}

/** The database cannot be reached, or cannot answer. */
export class DatabaseTroubleError extends TroubleError {}

/**
 * The database has ended a transaction because a statement, or a pause between two statements, took
 * too long. The transaction changed nothing. Fewer commands in one transaction may be fast enough.
 */
export class SlowTransactionError extends DatabaseTroubleError {}

/** Several commands need more memory together than one transaction may take. Fewer may fit. */
export class TooMuchAtOnceError extends AllocationError {
  override readonly code = 'too-much-at-once';
}

/** A topic is missing, and this process must not create it. The message says how to create it. */
export class MissingTopicError extends AllocationError {
  override readonly code = 'missing-topic';
}

/**
 * `Broker.publish` refuses a record because it has more bytes than its topic takes. Nothing of
 * that call is published. Sending the same record again gives the same error.
 */
export class MessageTooLargeError extends AllocationError {
  override readonly code = 'message-too-large';
  readonly topic: string;
  /** What the record would take in the log, in bytes. */
  readonly bytes: number;
  /** The largest message that the topic takes, in bytes. */
  readonly maxBytes: number;

  constructor(topic: string, bytes: number, maxBytes: number) {
    super(`A message of ${bytes} bytes is too large: ${topic} takes at most ${maxBytes}`);
    this.topic = topic;
    this.bytes = bytes;
    this.maxBytes = maxBytes;
  }
}
