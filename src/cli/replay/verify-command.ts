import type { Command } from 'commander';
import { jsonOption } from '../output.ts';
import { maxRateOption, skipForeignOption } from './options.ts';
import type { VerifyOptions } from './verify.ts';

/** Adds `allocation replay verify`. */
export function addVerify(replay: Command): void {
  replay
    .command('verify')
    .description('compare a database with the topics; the service may run, and nothing is changed')
    .option('--database <url>', 'the database (default: DATABASE_URL)')
    .addOption(skipForeignOption())
    .addOption(maxRateOption())
    .addOption(jsonOption())
    .addHelpText('after', HELP)
    .action(async (options: VerifyOptions) => {
      const { verifyDatabase } = await import('./verify.ts');
      await verifyDatabase(options);
    });
}

const HELP = `
Examples:
  $ npx allocation replay verify
  $ npx allocation replay verify --database sqlite:///./recovered.db
  $ npx allocation replay verify --json | jq .counts

Exit code: 0, the database agrees with the topics; 1, there are differences.

Retention may have deleted the beginning of the events topic. Then the command compares what it can,
and says what that was.`;
