import { Command, CommanderError } from 'commander';
import { packageVersion } from '../package-version.ts';
import { addContract } from './contract.ts';
import { addDeadLetters } from './dead-letters/dead-letters.ts';
import { addDoctor } from './doctor/doctor.ts';
import { describeError, exitCodeOf, UsageError } from './errors.ts';
import { addLag } from './lag.ts';
import { addLanes } from './lanes.ts';
import { addMigrate } from './migrate.ts';
import { printToStderr } from './output.ts';
import { addPublish } from './publish.ts';
import { addReplay } from './replay/replay.ts';
import { addShow } from './show.ts';
import { addStart } from './start.ts';
import { addTail } from './tail.ts';
import { addToken } from './token.ts';
import { addWay } from './way.ts';

/**
 * Runs one command line. Sets `process.exitCode` and prints the error if the command fails.
 * @param words what follows `allocation`
 */
export async function runCommandLine(words: readonly string[]): Promise<void> {
  try {
    await buildProgram().parseAsync(words, { from: 'user' });
  } catch (error) {
    // Commander has printed its own errors already.
    if (!(error instanceof CommanderError))
      complain(describeError(error), error instanceof UsageError);
    process.exitCode = exitCodeOf(error);
  }
}

/** Defines all commands. Each imports its code when it runs, so that --help answers at once. */
function buildProgram(): Command {
  const program = new Command('allocation')
    .description(
      'Allocates stock to orders. Reads commands from Kafka or an embedded log, ' +
        'and publishes events exactly once.',
    )
    .version(packageVersion(), '--version', 'print the version')
    .exitOverride()
    .configureOutput({ outputError: (text) => complain(text.replace(/^error: /, '')) })
    .addHelpText(
      'after',
      `
Examples:
  $ npx allocation start
  $ npx allocation publish CreateBatch reference=batch-1 sku=SMALL-TABLE quantity=20
  $ npx allocation publish AllocateOrder orderid=order-1 sku=SMALL-TABLE qty=2
  $ npx allocation tail --from beginning --count 2
  $ npx allocation show order order-1

Settings are environment variables such as KAFKA_BROKERS and DATABASE_URL. docs/contract.md lists
all of them (Configuration).`,
    );
  for (const add of [
    addStart,
    addMigrate,
    addDoctor,
    addPublish,
    addTail,
    addLag,
    addLanes,
    addShow,
    addWay,
    addDeadLetters,
    addReplay,
    addToken,
    addContract,
  ])
    add(program);
  return program;
}

function complain(text: string, isUsage = true): void {
  const hint = isUsage ? ' (add --help for examples)' : '';
  printToStderr(`error: ${withoutPasswords(text.trim()).replace(/\s*\n\s*/g, ' ')}${hint}`);
}

/** Hides passwords: Commander quotes unknown arguments, such as a URL with a password. */
function withoutPasswords(text: string): string {
  return text.replaceAll(/[^\s'"=]*:[^\s'"]*@/g, '…@');
}
