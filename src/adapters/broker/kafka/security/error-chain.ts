/** What an error of Node or of kafkajs may say besides its message. */
export type DetailedError = Error & {
  /** Node's name of the error; a number in kafkajs's errors of the protocol. */
  readonly code?: unknown;
  /** The protocol's name of the error. */
  readonly type?: unknown;
  /** The topic that Kafka refuses to create. */
  readonly topic?: unknown;
  /** The node, as `host:port`. */
  readonly broker?: unknown;
};

const MAX_DEPTH = 10;

/** Yields the error, the errors that it combines, and all their causes. */
export function* errorChain(error: unknown, depth = 0): Generator<DetailedError, void> {
  if (!(error instanceof Error) || depth > MAX_DEPTH) return;
  yield error;
  yield* errorChain(error.cause, depth + 1);
  if ('errors' in error && Array.isArray(error.errors))
    for (const each of error.errors) yield* errorChain(each, depth + 1);
}
