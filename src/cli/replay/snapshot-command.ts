import type { Command } from 'commander';
import { jsonOption } from '../output.ts';
import { executeOption } from './options.ts';
import type { SnapshotOptions } from './snapshot.ts';

/** Adds `allocation replay snapshot`. */
export function addSnapshot(replay: Command): void {
  replay
    .command('snapshot')
    .description('copy the database with its positions, as of one moment, while the service runs')
    .requiredOption(
      '--into <url>',
      'a new SQLite file, or an empty PostgreSQL database, written like DATABASE_URL',
    )
    .addOption(executeOption())
    .addOption(jsonOption())
    .addHelpText('after', HELP)
    .action(async (options: SnapshotOptions) => {
      const { snapshot } = await import('./snapshot.ts');
      await snapshot(options);
    });
}

const HELP = `
Examples:
  $ npx allocation replay snapshot --into sqlite:////backups/monday.db             # shows the plan
  $ npx allocation replay snapshot --into sqlite:////backups/monday.db --execute
  $ npx allocation replay rebuild --into sqlite:////backups/monday.db --from-copy --execute
      # later: brings the copy up to date

An interrupted snapshot leaves nothing behind. The embedded log is copied only from one SQLite file
into another.`;
