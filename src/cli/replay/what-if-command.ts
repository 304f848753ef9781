import { type Command, Option } from 'commander';
import { COMMAND_TYPES } from '../../domain/command-scopes.ts';
import { addReplayOptions, skipForeignOption } from './options.ts';
import type { CommandsOptions } from './what-if.ts';

/** Adds `allocation replay commands`. */
export function addWhatIf(replay: Command): void {
  addReplayOptions(replay.command('commands'))
    .description('what if: handle past commands again with the code of today, and compare outcomes')
    .option('--from <time|offset>', 'compare from here on (default: from the first command)')
    .option('--to <time|offset>', 'compare up to here, exclusive (default: all answered commands)')
    .addOption(
      new Option('--type <type>', 'compare only commands of this type').choices(COMMAND_TYPES),
    )
    .option('--sku <sku>', 'compare only commands about this product')
    .addOption(skipForeignOption())
    .addHelpText('after', HELP)
    .action(async (options: CommandsOptions) => {
      const { replayCommands } = await import('./what-if.ts');
      await replayCommands(options);
    });
}

const HELP = `
Examples:
  $ npx allocation replay commands                                          # shows the plan
  $ npx allocation replay commands --execute
  $ npx allocation replay commands --from 2026-11-25T00:00:00Z --type AllocateOrder --execute
  $ npx allocation replay commands --from 5000 --to 6000 --sku SMALL-TABLE --json --execute

Exit code: 0, all compared commands lead to what was published; 1, there are differences, or nothing
was compared; 2, wrong usage, such as an empty range (--from 100 --to 50).

Run the command on the new version to check new allocation rules. Nothing is published, and the
service may run. The work is done on a temporary database (in TMPDIR), which begins with the state
that the published events before --from have left. A time is compared with the timestamps of the
commands. An offset counts in each partition. A different outcome also changes the stock, so later
differences may follow from earlier ones.`;
