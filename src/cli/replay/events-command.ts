import type { Command } from 'commander';
import type { EventsOptions } from './events.ts';
import { addReplayOptions } from './options.ts';

/** Adds `allocation replay events`. */
export function addEvents(replay: Command): void {
  addReplayOptions(replay.command('events'))
    .description('copy past events into another topic, for a consumer that lost its own state')
    .requiredOption(
      '--to-topic <topic>',
      'the topic to copy to: it must exist, and must not be a topic of the service',
    )
    .option(
      '--from <time|offset>',
      'copy only what was published then or later; an offset counts in each partition',
    )
    .option('--to <time|offset>', 'copy only what was published before')
    .option('--type <type>', 'copy only answers with an event of this type')
    .option('--sku <sku>', 'copy only answers with an event about this product')
    .option('--resume <places>', 'go on with an interrupted copy: the places that it printed')
    .addHelpText('after', HELP)
    .action(async (options: EventsOptions) => {
      const { copyEvents } = await import('./events.ts');
      await copyEvents(options);
    });
}

const HELP = `
Examples:
  $ npx allocation replay events --to-topic shipping.replay                   # shows the plan
  $ npx allocation replay events --to-topic shipping.replay --execute
  $ npx allocation replay events --to-topic shipping.replay --type Allocated \\
      --from 2026-11-23T08:00:00Z --execute
  $ npx allocation replay events --to-topic shipping.replay --resume 0/1200,1/0 --execute

Copies have the same key, value, id and headers, and one more header, ce_replay: true. An answer of
several events is copied whole. The events of one key keep their order. Partitions are copied one
after the other, so ce_sequence tells the order of a product's events.

After Ctrl-C, --resume sends nothing twice. After a crash, use the places in the last line of the
progress on stderr, or begin again: an event that comes twice has the same ce_id.`;
