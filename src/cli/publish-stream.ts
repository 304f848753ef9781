import { commandKey, FRONT_DOOR_PARTITION } from '../messages/front-door.ts';
import { MAX_COMMAND_BYTES, readCommand } from '../messages/read-command.ts';
import type { UnreadableMessage } from '../messages/unreadable.ts';
import type { AddressedRecord } from '../service-layer/records.ts';
import { awaitBroker } from './broker-deadline.ts';
import { describeError } from './errors.ts';
import { type Line, readLines } from './lines.ts';
import { print, printJson, toJson, visible } from './output.ts';
import { openProgress } from './progress.ts';
import { withBroker } from './session.ts';

const PUBLISH_TIMEOUT_MS = 30_000;

/**
 * Sends the commands of stdin, one JSON object per line. Commands that arrive in one chunk are
 * published together, without waiting for more.
 */
export async function publishStream(json: boolean): Promise<void> {
  const counts = { published: 0, bad: 0 };
  await withBroker({ mayCreate: true }, async ({ broker, config }) => {
    const progress = await openProgress();
    try {
      for await (const lines of readLines(process.stdin, MAX_COMMAND_BYTES)) {
        const { records, bad } = parseLines(lines);
        for (const { line, problem } of bad)
          progress.say(
            json ? toJson({ line, ...problem }) : visible(`line ${line}: ${problem.message}`),
          );
        if (records.length > 0) {
          await awaitBroker(
            broker.publish(config.commandsTopic, records),
            config,
            PUBLISH_TIMEOUT_MS,
          ).catch((error: unknown) => {
            throw new Error(`${describeError(error)}; ${howToContinue(lines, counts.published)}`, {
              cause: error,
            });
          });
        }
        counts.published += records.length;
        counts.bad += bad.length;
        progress.update(counts.published, lines);
      }
    } finally {
      progress.close();
    }
  });
  if (json) printJson(counts);
  else
    print(
      `Published ${counts.published} commands` +
        (counts.bad === 0 ? '' : `; ${counts.bad} bad lines were not sent`),
    );
  if (counts.bad > 0) process.exitCode = 1;
}

interface BadLine {
  readonly line: number;
  readonly problem: Pick<UnreadableMessage, 'reason' | 'message'>;
}

/** Separates the lines with commands from bad lines. Blank lines are neither. */
function parseLines(lines: readonly Line[]): {
  readonly records: readonly AddressedRecord[];
  readonly bad: readonly BadLine[];
} {
  const records: AddressedRecord[] = [];
  const bad: BadLine[] = [];
  for (const { number: line, bytes: value } of lines) {
    if (value === null) {
      bad.push({
        line,
        problem: {
          reason: 'too-large',
          message: `The line is too long: a command has at most ${MAX_COMMAND_BYTES} bytes`,
        },
      });
      continue;
    }
    if (isBlank(value)) continue;
    const read = readCommand({ value, headers: {} }, '', 'strict');
    if (read.kind === 'command')
      records.push({
        key: commandKey(read.command),
        value,
        headers: {},
        partition: FRONT_DOOR_PARTITION,
      });
    else bad.push({ line, problem: { reason: read.reason, message: read.message } });
  }
  return { records, bad };
}

function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x0d || byte === 0x09);
}

function howToContinue(lines: readonly Line[], published: number): string {
  const [first, last] = [lines[0]?.number, lines.at(-1)?.number];
  return (
    `${published} commands are published, and any of lines ${first} to ${last} may be: ` +
    `send again from line ${first} on (this is safe for commands with an id)`
  );
}
