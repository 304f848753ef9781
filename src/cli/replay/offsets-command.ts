import { type Command, Option } from 'commander';
import { jsonOption } from '../output.ts';
import type { OffsetsOptions } from './offsets.ts';
import { executeOption } from './options.ts';

/** Adds `allocation replay offsets`. */
export function addOffsets(replay: Command): void {
  replay
    .command('offsets')
    .description(
      'settle committed offsets that Kafka has lost and nothing can prove; services may run',
    )
    .addOption(
      new Option('--publish', 'publish the answers that wait in the outbox: one may come twice')
        .default(false)
        .conflicts('skip'),
    )
    .addOption(
      new Option(
        '--skip',
        'take the answers that wait in the outbox as published: one may be missing',
      ).default(false),
    )
    .addOption(executeOption())
    .addOption(jsonOption())
    .addHelpText('after', HELP)
    .action(async (options: OffsetsOptions) => {
      const { settleOffsets } = await import('./offsets.ts');
      await settleOffsets(options);
    });
}

const HELP = `
Examples:
  $ npx allocation replay offsets                        # shows each lane, and changes nothing
  $ npx allocation replay offsets --publish --execute    # consumers drop repeats by ce_id
  $ npx allocation replay offsets --skip --execute       # the waiting answers are published

A group loses its offsets seven days after its last member left. A new KAFKA_GROUP_ID has none. The
service then finds in the published answers how far the group has come. Retention or compaction may
have deleted some of these answers. Then a lane with answers in its outbox refuses to open, and
names this command. If consumers drop events whose ce_id they know, take --publish.

PUBLISHED is the offset below which all answers are published, as the topics show. WAITING counts
the outbox records from that offset on.`;
