import { type Command as CliCommand, Option } from 'commander';
import type { Command } from '../domain/commands.ts';
import { positive } from './command-arguments.ts';
import { jsonOption } from './output.ts';
import { type ActOptions, addActOptions } from './replay-act.ts';
import type { CommandsOptions } from './replay-commands.ts';
import type { RebuildOptions } from './replay-rebuild.ts';
import type { VerifyOptions } from './replay-verify.ts';

/** `allocation replay rebuild|verify|commands` */
export function addReplay(program: CliCommand): void {
  const replay = program
    .command('replay')
    .description('recovery from the topics: each shows its plan first, and acts with --execute or when you say yes')
    .addHelpText(
      'after',
      `
Examples:
  $ npx allocation replay rebuild --into sqlite:///./recovered.db
  $ npx allocation replay rebuild --into sqlite:///./recovered.db --execute

What to do when: docs/recovery.md`,
    );
  addActOptions(replay.command('rebuild'))
    .description('build a database from the events, so that the service goes on with it where the lost one stopped')
    .requiredOption('--into <url>', 'the database to build: an empty one, written like DATABASE_URL')
    .addOption(new Option('--until <time|offset>', 'only what was published before: a database to look at, not to run on'))
    .addOption(new Option('--from-copy', 'the target is an older copy: add what it lacks').default(false).conflicts('until'))
    .addHelpText(
      'after',
      `
Examples:
  $ npx allocation replay rebuild --into sqlite:///./recovered.db             # shows the plan
  $ npx allocation replay rebuild --into sqlite:///./recovered.db --execute
  $ npx allocation replay rebuild --into sqlite:///./backup.db --from-copy --execute
  $ npx allocation replay rebuild --into sqlite:///./monday.db --until 2026-11-23T08:00:00Z --execute

Interrupted (Ctrl-C, a crash, the broker gone), the same command goes on where it was.
The service then starts on it with DATABASE_URL set to that url.`,
    )
    .action(async (options: RebuildOptions & ActOptions) => {
      const { rebuild } = await import('./replay-rebuild.ts');
      await rebuild(options);
    });
  replay
    .command('verify')
    .description('compare a database, of a running service too, with the topics: exit code 0 when it says the same, else 1')
    .option('--database <url>', 'the database (default: DATABASE_URL)')
    .addOption(new Option('--max-rate <records>', 'read at most so many records per second').argParser(positive))
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  $ npx allocation replay verify
  $ npx allocation replay verify --database sqlite:///./recovered.db
  $ npx allocation replay verify --json | jq .counts`,
    )
    .action(async (options: VerifyOptions) => {
      const { verifyDatabase } = await import('./replay-verify.ts');
      await verifyDatabase(options);
    });
  addActOptions(replay.command('commands'))
    .description('what if: handle past commands again with the code of today; exit code 0 when they lead to what was published, else 1')
    .addOption(new Option('--from <time|offset>', 'the first command (default: of all)'))
    .addOption(new Option('--to <time|offset>', 'the end, exclusive (default: the last that was answered)'))
    .addOption(
      new Option('--type <type>', 'compare only commands of this type').choices([
        'CreateBatch',
        'AllocateOrder',
        'ChangeBatchQuantity',
        'DeallocateOrder',
      ] satisfies Command['type'][]),
    )
    .option('--sku <sku>', 'compare only commands about this product')
    .addHelpText(
      'after',
      `
Examples:
  $ npx allocation replay commands                                          # shows the plan
  $ npx allocation replay commands --execute
  $ npx allocation replay commands --from 2026-11-25T00:00:00Z --type AllocateOrder --execute
  $ npx allocation replay commands --from 5000 --to 6000 --sku SMALL-TABLE --json --execute

A check for new allocation rules, run on the new version: nothing is published, the service may run. It works on a temporary database
(in TMPDIR), on the state that the published events before --from have left. A time is compared with the commands' own; an offset is
one of each partition. After a different outcome the stock is what the new outcome made of it: later differences may follow from it.`,
    )
    .action(async (options: CommandsOptions & ActOptions) => {
      const { replayCommands } = await import('./replay-commands.ts');
      await replayCommands(options);
    });
}
