import type { Command } from 'commander';
import { jsonOption, print, printJson } from './output.ts';
import { withDatabase } from './session.ts';

/** Adds `allocation migrate`. */
export function addMigrate(program: Command): void {
  program
    .command('migrate')
    .description(
      'bring the database up to this version; the service does that itself when it starts',
    )
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  $ npx allocation migrate
  $ DATABASE_URL=postgresql://user:password@localhost/allocation npx allocation migrate --json`,
    )
    .action(async ({ json }: { json: boolean }) => {
      const applied = await withDatabase({ mayCreate: true }, (database) =>
        database.runMigrations(),
      );
      if (json) return printJson({ applied });
      print(
        applied.length === 0
          ? 'The database is up to date: nothing to do'
          : `Applied ${applied.join(', ')}`,
      );
    });
}
