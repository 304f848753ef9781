import { type Command, Option } from 'commander';
import { addReplayOptions, skipForeignOption } from './options.ts';
import type { RebuildOptions } from './rebuild.ts';

/** Adds `allocation replay rebuild`. */
export function addRebuild(replay: Command): void {
  addReplayOptions(replay.command('rebuild'))
    .description(
      'build a database from the events, so that the service goes on where the lost one stopped',
    )
    .requiredOption('--into <url>', 'the database to build, empty, written like DATABASE_URL')
    .addOption(
      new Option(
        '--until <time|offset>',
        'take only events published before: a database to look at, not to run on',
      ),
    )
    .addOption(
      new Option('--from-copy', 'the target is an older copy: add what the copy lacks')
        .default(false)
        .conflicts('until'),
    )
    .addOption(skipForeignOption())
    .addHelpText('after', HELP)
    .action(async (options: RebuildOptions) => {
      const { rebuild } = await import('./rebuild.ts');
      await rebuild(options);
    });
}

const HELP = `
Examples:
  $ npx allocation replay rebuild --into sqlite:///./recovered.db             # shows the plan
  $ npx allocation replay rebuild --into sqlite:///./recovered.db --execute
  $ npx allocation replay rebuild --into sqlite:///./backup.db --from-copy --execute
  $ npx allocation replay rebuild --into sqlite:///./monday.db --execute \\
      --until 2026-11-23T08:00:00Z

After an interruption (Ctrl-C, a crash, a lost broker), run the same command again to go on.
To use the database, start the service with DATABASE_URL set to that URL.`;
