import type { Command } from 'commander';
import { readSettings } from './session.ts';

/** Adds `allocation start`. */
export function addStart(program: Command): void {
  program
    .command('start')
    .description(
      'run the service until Ctrl-C or SIGTERM; first migrates the database and creates topics',
    )
    .addHelpText(
      'after',
      `
Examples:
  $ npx allocation start                                        # embedded log and SQLite
  $ KAFKA_BROKERS=localhost:9092 npx allocation start           # Kafka and SQLite
  $ KAFKA_BROKERS=localhost:9092 DATABASE_URL=postgresql://user:password@localhost/allocation \\
      npx allocation start
  $ HTTP_PORT=0 npx allocation start                            # any free port`,
    )
    .action(async () => {
      const config = await readSettings();
      const { runService } = await import('../main.ts');
      await runService(config);
    });
}
