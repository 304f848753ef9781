/** Why a message is a dead letter. */
export type DeadLetterReason =
  | 'malformed'
  | 'unknown-type'
  | 'invalid-data'
  | 'too-large'
  | 'handler-failed'
  | 'parked-behind';

/** What a sender must know about one reason. */
interface Explanation {
  /** Continues the sentence "The message …". */
  readonly meaning: string;
  /** What to do, for the sender or an operator. */
  readonly advice: string;
}

/** All reasons of dead letters. The contract and `GET /commands/:id` show them. */
export const DEAD_LETTER_REASONS: Readonly<Record<DeadLetterReason, Explanation>> = {
  malformed: {
    meaning: 'has no value, is no JSON object or valid CloudEvent, or is damaged',
    advice: 'Correct the message, and send it under a new id.',
  },
  'unknown-type': {
    meaning: 'names no command type, or one that does not exist',
    advice: 'Correct the type and send it again, or update the service and redrive.',
  },
  'invalid-data': {
    meaning: 'has wrong data, or data of an unknown version',
    advice: 'Correct the fields that the message names, and send the command again.',
  },
  'too-large': {
    meaning: 'has more than 1 MiB, or would let more than 10,000 lines go',
    advice: 'Send several smaller commands instead, as the message says.',
  },
  'handler-failed': {
    meaning: 'made a handler fail, four times in a row',
    advice: 'Wait for an operator: once the cause is mended, they redrive the command.',
  },
  'parked-behind': {
    meaning: 'must not overtake a failed command about the same product, batch or order',
    advice: 'Wait: the command is answered after the failed one before it is redriven.',
  },
};
