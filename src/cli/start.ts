import type { Command } from 'commander';
import { settings } from './session.ts';

/** `allocation start` */
export function addStart(program: Command): void {
  program
    .command('start')
    .description(
      'run the service until Ctrl-C or SIGTERM; it migrates its database and creates missing topics',
    )
    .addHelpText(
      'after',
      `
Examples:
  $ npx allocation start                                        # embedded log and SQLite
  $ KAFKA_BROKERS=localhost:9092 npx allocation start           # Kafka and SQLite
  $ KAFKA_BROKERS=localhost:9092 DATABASE_URL=postgresql://user:password@localhost:5432/allocation npx allocation start
  $ HTTP_PORT=0 npx allocation start                            # any free port`,
    )
    .action(async () => {
      const config = await settings();
      const { runService } = await import('../main.ts');
      await runService(config);
    });
}
