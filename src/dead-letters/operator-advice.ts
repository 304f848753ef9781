import { DEAD_LETTER_REASONS, type DeadLetterReason } from '../messages/dead-letter-reasons.ts';

/** What an operator can do about a letter, by its reason. */
const WHAT_TO_DO: Readonly<Record<DeadLetterReason, string>> = {
  malformed:
    'Edit the letter to the command that the sender meant, or discard it and ask the sender to ' +
    'send the command again.',
  'unknown-type':
    'Edit the letter if its type is misspelt, redrive it once the service knows the type, ' +
    'or discard it.',
  'invalid-data':
    'Edit the fields that the message names, or discard the letter and ask the sender to correct ' +
    'the command.',
  'too-large': 'Discard the letter, and ask the sender to send several smaller commands.',
  'handler-failed':
    'Find the error in the log of the service, mend its cause, then redrive: the commands that ' +
    'are parked behind it follow in their order.',
  'parked-behind':
    'Redrive or discard the failed command that it waits for: this command follows in its order.',
};

/** What an operator must know about one reason. */
export interface OperatorAdvice {
  /** One sentence. */
  readonly inPlainWords: string;
  /** One sentence. */
  readonly whatToDo: string;
}

/** Explains a reason to an operator. Another program may have written an unknown reason. */
export function adviceOn(reason: string): OperatorAdvice {
  if (!isReason(reason))
    return {
      inPlainWords: 'This version of the service does not know the reason.',
      whatToDo: 'Update the service, or read the message of the letter and decide.',
    };
  const { meaning } = DEAD_LETTER_REASONS[reason];
  return { inPlainWords: `The message ${meaning}.`, whatToDo: WHAT_TO_DO[reason] };
}

function isReason(reason: string): reason is DeadLetterReason {
  return Object.hasOwn(DEAD_LETTER_REASONS, reason);
}
