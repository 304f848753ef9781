import { AnswerWait } from '../command-status/answer-wait.ts';
import type {
  AnsweredCommand,
  CommandStatus,
  KnownCommand,
} from '../command-status/command-status.ts';
import { CommandStatuses } from '../command-status/command-statuses.ts';
import { describeEvent } from './describe-record.ts';
import { print, printJson } from './output.ts';
import type { BrokerSession } from './session.ts';

/**
 * Waits for the answer to a command, and prints it.
 *
 * @throws {Error} the command has no answer in time, or is a dead letter; the message says what to
 * do. With `json`, only the exit code is 1
 */
export async function printAnswer(
  { broker, config }: Pick<BrokerSession, 'broker' | 'config'>,
  command: KnownCommand,
  timeoutSeconds: number,
  json: boolean,
): Promise<void> {
  const { groupId: group, commandsTopic, eventsTopic, deadLettersTopic } = config;
  const wait = new AnswerWait(broker, group, commandsTopic);
  const topics = { commandsTopic, eventsTopic, deadLettersTopic };
  const status = (await wait.for(command, AbortSignal.timeout(timeoutSeconds * 1_000)))
    ? await new CommandStatuses({ broker, group, ...topics }).findAt(command)
    : null;
  const { id, topic, partition, offset } = command;
  const known = { id, topic, partition, offset };
  const outcome = status ? { ...status, ...known } : { ...known, status: 'pending' as const };
  if (outcome.status !== 'answered') {
    if (!json) throw new Error(describeDelay(outcome, timeoutSeconds));
    process.exitCode = 1;
  }
  if (json) printJson(outcome);
  else if (outcome.status === 'answered') print(describeAnswer(outcome));
}

function describeAnswer({ events, advice }: AnsweredCommand): string {
  if (events.length === 0) return 'The command changed nothing, and has no event';
  const lines = events.map(describeEvent);
  return (advice === undefined ? lines : [...lines, advice]).join('\n');
}

function describeDelay(status: CommandStatus, timeoutSeconds: number): string {
  if (status.status === 'dead-letter')
    return `The command is a dead letter (${status.reason}): ${status.message}. ${status.advice}`;
  return (
    `The command is published, but not answered after ${timeoutSeconds} s: ` +
    '"npx allocation lag" shows whether the service works'
  );
}
