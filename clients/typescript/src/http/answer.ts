import { UnexpectedAnswerError } from '../errors.ts';
import type { AllocationEvent } from '../events/event.ts';
import { flatten, parseStructuredEvent } from '../events/parse-event.ts';
import { isObject } from '../values.ts';

/** Where a command lies in the commands topic. */
export interface Place {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** A command that the log has accepted. What it leads to is open. */
export interface AcceptedCommand extends Place {
  readonly id: string;
}

/** The command is not answered yet. */
export interface PendingCommand extends AcceptedCommand {
  readonly status: 'pending';
}

/** The answer to the command is published. */
export interface AnsweredCommand extends AcceptedCommand {
  readonly status: 'answered';
  /** The events, with composites unfolded. Empty: the command changed nothing. */
  readonly events: readonly AllocationEvent[];
  /** What the sender can do about each rejection, for people. Null: nothing is rejected. */
  readonly advice: string | null;
  /** The place of the same command, if an earlier message brought it. */
  readonly repeats: string | null;
  /** Another command had this id before, so this one was dropped: choose a new id for it. */
  readonly differs: boolean;
}

/** The command became a dead letter. */
export interface DeadCommand extends AcceptedCommand {
  readonly status: 'dead-letter';
  /** As `dead-letter-reason` of the contract. */
  readonly reason: string;
  /** A sentence for people. */
  readonly message: string;
  /** What the sender or an operator can do, for people. */
  readonly advice: string | null;
  /** What an operator has done with the letter: `redriven` or `discarded`. */
  readonly resolution: string | null;
}

/** The service does not know the command, or knows it no longer. */
export interface UnknownCommand {
  readonly status: 'unknown';
}

export type CommandOutcome = PendingCommand | AnsweredCommand | DeadCommand;
export type CommandStatus = CommandOutcome | UnknownCommand;

/**
 * Reads where the log has put a command.
 *
 * @throws {UnexpectedAnswerError} the answer is not what the contract says
 */
export async function readAccepted(response: Response): Promise<AcceptedCommand> {
  return acceptedIn(await readBody(response));
}

/**
 * Reads what has become of a command.
 *
 * @throws {UnexpectedAnswerError} the answer is not what the contract says
 */
export async function readOutcome(response: Response): Promise<CommandOutcome> {
  const body = await readBody(response);
  const accepted = acceptedIn(body);
  const { status } = body;
  if (status === 'pending') return { ...accepted, status };
  if (status === 'answered' && Array.isArray(body.events)) {
    const events = body.events.flatMap((event) => flatten(parseStructuredEvent(event)));
    const [advice, repeats] = [textIn(body, 'advice'), textIn(body, 'repeats')];
    return { ...accepted, status, events, advice, repeats, differs: body.differs === true };
  }
  if (status !== 'dead-letter')
    throw new UnexpectedAnswerError(`The status "${String(status)}" is newer than this client`);
  return {
    ...accepted,
    status,
    reason: textIn(body, 'reason') ?? '',
    message: textIn(body, 'message') ?? '',
    advice: textIn(body, 'advice'),
    resolution: textIn(body, 'resolution'),
  };
}

type Body = Readonly<Record<string, unknown>>;

async function readBody(response: Response): Promise<Body> {
  const text = await response.text();
  try {
    const body: unknown = JSON.parse(text);
    if (isObject(body)) return body;
  } catch (error) {
    throw new UnexpectedAnswerError(`${response.url} did not answer with JSON`, { cause: error });
  }
  throw new UnexpectedAnswerError(`${response.url} did not answer with a JSON object`);
}

function acceptedIn({ id, topic, partition, offset }: Body): AcceptedCommand {
  if (typeof id !== 'string' || typeof topic !== 'string')
    throw new UnexpectedAnswerError('The answer does not name the command and its place');
  return { id, topic, partition: Number(partition), offset: Number(offset) };
}

function textIn(body: Body, name: string): string | null {
  const value = body[name];
  return typeof value === 'string' ? value : null;
}
