#!/usr/bin/env -S node --max-semi-space-size=8 --heap-growing-percent=100
// The flags keep V8 from promoting deliveries to the old generation. A delivery lives just long
// enough for that. Without the flags, a busy service takes half as much memory again.
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { addDeadLetters } from './dead-letters/dead-letters.ts';
import { endOnSignals } from './default-signals.ts';
import { describeError, exitCodeOf, UsageError } from './errors.ts';
import { addLag } from './lag.ts';
import { addMigrate } from './migrate.ts';
import { printToStderr } from './output.ts';
import { hidePasswordsInTitle } from './process-title.ts';
import { addPublish } from './publish.ts';
import { addReplay } from './replay/replay.ts';
import { addShow } from './show.ts';
import { addStart } from './start.ts';
import { addTail } from './tail.ts';
import { addToken } from './token.ts';

hidePasswordsInTitle();
endOnSignals();

// Each command imports what it needs when it runs, so that --help answers at once.
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

Settings are environment variables such as KAFKA_BROKERS and DATABASE_URL: see the README.`,
  );
for (const add of [
  addStart,
  addMigrate,
  addPublish,
  addTail,
  addLag,
  addShow,
  addDeadLetters,
  addReplay,
  addToken,
])
  add(program);

const FORCED_EXIT_AFTER_MS = 2_000;

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // The reader of the pipe has seen enough, as in `| head -1`.
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

try {
  await program.parseAsync();
} catch (error) {
  // Commander has printed its own errors already.
  if (!(error instanceof CommanderError))
    complain(describeError(error), error instanceof UsageError);
  process.exitCode = exitCodeOf(error);
}
// A client that still tries to reach a broker must not keep the terminal waiting.
setTimeout(() => process.exit(), FORCED_EXIT_AFTER_MS).unref();

function packageVersion(): string {
  const file = new URL('../../package.json', import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')).version;
}

function complain(text: string, isUsage = true): void {
  const hint = isUsage ? ' (add --help for examples)' : '';
  printToStderr(`error: ${withoutPasswords(text.trim()).replace(/\s*\n\s*/g, ' ')}${hint}`);
}

/** Hides passwords: Commander quotes unknown arguments, such as a URL with a password. */
function withoutPasswords(text: string): string {
  return text.replaceAll(/[^\s'"=]*:[^\s'"]*@/g, '…@');
}
