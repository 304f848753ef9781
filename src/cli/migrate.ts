import type { Command } from 'commander';
import { describeUrl } from '../adapters/database/connection/database-url.ts';
import { jsonOption, print, printJson } from './output.ts';
import { withDatabase } from './session.ts';
import { withAudit } from './with-audit.ts';

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
      const applied = await migrate();
      if (json) return printJson({ applied });
      print(
        applied.length === 0
          ? 'The database is up to date: nothing to do'
          : `Applied ${applied.join(', ')}`,
      );
    });
}

/** Applies the pending migrations. @returns their names */
function migrate(): Promise<readonly string[]> {
  return withAudit({ createsLog: true }, ({ config, audit }) =>
    audit.carryOut({ act: 'migrate', on: [describeUrl(config.databaseUrl)] }, async (report) => {
      const applied = await withDatabase({ mayCreate: true }, (database) =>
        database.runMigrations(),
      );
      for (const name of applied) report.done(name);
      return applied;
    }),
  );
}
