import fc from 'fast-check';
import type { LogRecord } from '../../../src/service-layer/records.ts';

/**
 * The required outcome of a message. `judged`: the reader of commands decides, because nobody can
 * tell beforehand. `refused`: the log does not take the message. `ignored`: Kafka's message is
 * answered without a field that nobody knows, and HTTP refuses it.
 */
export type Outcome =
  | 'answered'
  | 'ignored'
  | 'malformed'
  | 'unknown-type'
  | 'invalid-data'
  | 'too-large'
  | 'judged'
  | 'refused';

/** A class of messages that somebody may send by mistake or by malice. */
export interface AbuseClass {
  readonly name: string;
  readonly outcome: Outcome;
  /** The number of messages. Null: the share of the class in the requested number. */
  readonly count: number | null;
  readonly records: (seed: number, count: number) => readonly LogRecord[];
}

/** The parts of a record that a class decides. The others are the same in each class. */
export type Made = Partial<LogRecord>;

/** How many messages there are of classes whose messages are large or slow. */
export const FEW = 4;
export const SOME = 12;

/** Varies nothing. */
export const unvaried = fc.constant(null);
export const from = fc.constantFrom;

/**
 * Defines one class of messages.
 * @param make makes one message; `unique` is a name that no other message has, `index` counts
 * within the class
 */
export function abuse<T>(
  name: string,
  outcome: Outcome,
  vary: fc.Arbitrary<T>,
  make: (value: T, unique: string, index: number) => Made,
  count: number | null = null,
): AbuseClass {
  const records = (seed: number, numRuns: number) =>
    fc.sample(vary, { seed, numRuns }).map((value, index) => {
      const unique = `${name.slice(0, 40)} ${index}`;
      return { key: unique, value: null, headers: {}, ...make(value, unique, index) };
    });
  return { name, outcome, count, records };
}
