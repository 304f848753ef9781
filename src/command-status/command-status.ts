import type { Resolution } from '../dead-letters/markers.ts';
import type { CommandPlace } from '../messages/answer-place.ts';
import { DEAD_LETTER_REASONS, type DeadLetterReason } from '../messages/dead-letter-reasons.ts';
import { REJECTIONS } from '../messages/rejections.ts';

/** What has become of a command. */
export type CommandStatus = PendingCommand | AnsweredCommand | DeadCommand;

/** A command that the log has accepted. */
export interface KnownCommand extends CommandPlace {
  /** The id that the sender chose; else the place. */
  readonly id: string;
}

/** The service has not answered the command yet. */
export interface PendingCommand extends KnownCommand {
  readonly status: 'pending';
}

/** The answer to the command is published. */
export interface AnsweredCommand extends KnownCommand {
  readonly status: 'answered';
  /**
   * The events of the answer as structured CloudEvents, with composites unfolded. Empty: the
   * command changed nothing, for example because its batch existed already.
   */
  readonly events: readonly object[];
  /** What the sender can do, for each reason of a rejection. Absent: nothing is rejected. */
  readonly advice?: string;
  /** The place of the same command, if an earlier message brought it. Absent: this message did. */
  readonly repeats?: string;
  /** The earlier message has another type or other data, so this one was dropped. */
  readonly differs?: true;
}

/** The command is a dead letter. */
interface DeadCommand extends KnownCommand {
  readonly status: 'dead-letter';
  readonly reason: string;
  /** One sentence for people. */
  readonly message: string;
  /** What the sender or an operator can do. */
  readonly advice: string;
  /** The place of the dead letter. */
  readonly letter: string;
  /** What an operator has done about the letter. Absent: the letter is on the list. */
  readonly resolution?: Resolution;
  /** The id of the edited command that was sent instead. Absent: no other command was sent. */
  readonly replacedBy?: string;
}

/** Makes the status of a command whose answer has these events. */
export function answeredWith(known: KnownCommand, events: readonly object[]): AnsweredCommand {
  const advice = adviceOnRejections(events);
  return { ...known, status: 'answered', events, ...(advice !== '' && { advice }) };
}

/** Says for each reason of a rejection what to do. A newer version may have decided another one. */
function adviceOnRejections(events: readonly object[]): string {
  const rejections = events.filter((event) => Object(event).type === 'CommandRejected');
  const reasons = new Set(rejections.map((event) => String(Object(event).data?.reason)));
  return [...reasons]
    .filter((reason) => Object.hasOwn(REJECTIONS, reason))
    .map((reason) => `${reason}: ${REJECTIONS[reason as keyof typeof REJECTIONS].advice}`)
    .join(' ');
}

/** Says what to do about a letter that an operator has resolved. */
const RESOLVED_ADVICE: Readonly<Record<Resolution, string>> = {
  redriven: 'Ask for the command by its source and id: it was sent again, and has a new place.',
  discarded:
    'An operator has given the command up. If you still need it, mend what the message says, and ' +
    'send it again.',
};
const REPLACED_ADVICE = 'Ask for the command that replacedBy names: it was sent instead.';

/**
 * Returns what to do about a letter.
 *
 * @param reason a newer version may have written another one
 */
export function adviceFor(
  reason: string,
  {
    resolution,
    replacedBy,
  }: { readonly resolution: Resolution | null; readonly replacedBy?: string },
): string {
  if (replacedBy !== undefined) return REPLACED_ADVICE;
  if (resolution !== null) return RESOLVED_ADVICE[resolution];
  return Object.hasOwn(DEAD_LETTER_REASONS, reason)
    ? DEAD_LETTER_REASONS[reason as DeadLetterReason].advice
    : 'Ask an operator: "npx allocation dead-letters show" prints the letter.';
}
