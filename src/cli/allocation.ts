#!/usr/bin/env -S node --max-semi-space-size=8 --heap-growing-percent=100
// The flags: a lane's batch lives just long enough to be taken for old. Without them a busy service holds half as much memory again.
import { Command, CommanderError } from 'commander';
import { addDeadLetters } from './dead-letters/dead-letters.ts';
import { describeError, exitCodeOf, UsageError } from './errors.ts';
import { addLag } from './lag.ts';
import { addMigrate } from './migrate.ts';
import { addPublish } from './publish.ts';
import { addReplay } from './replay/replay.ts';
import { addShow } from './show.ts';
import { addStart } from './start.ts';
import { addTail } from './tail.ts';

// What a command needs is imported when it runs, so that --help answers at once.
const program = new Command('allocation')
  .description(
    'Allocates stock: commands in from Kafka (or an embedded log), exactly-once events out.',
  )
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

Settings come from the environment (KAFKA_BROKERS, DATABASE_URL, …): see "Configuration" in the README.`,
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
])
  add(program);

const FORCED_EXIT_AFTER_MS = 2_000;

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // Whoever reads has seen enough, as in `| head -1`.
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

try {
  await program.parseAsync();
} catch (error) {
  // Commander has said what is wrong itself.
  if (!(error instanceof CommanderError))
    complain(describeError(error), error instanceof UsageError);
  process.exitCode = exitCodeOf(error);
}
// A client that still tries to reach a broker must not keep the terminal.
setTimeout(() => process.exit(), FORCED_EXIT_AFTER_MS).unref();

function complain(text: string, isUsage = true): void {
  const hint = isUsage ? ' (add --help for examples)' : '';
  process.stderr.write(
    `error: ${withoutPasswords(text.trim()).replace(/\s*\n\s*/g, ' ')}${hint}\n`,
  );
}

/** Commander quotes arguments that it does not know: an address in one may hold a password. */
function withoutPasswords(text: string): string {
  return text.replaceAll(/[^\s'"=]*:[^\s'"]*@/g, '…@');
}
