import type { Command } from 'commander';
import { jsonOption, printJson, printTable } from './output.ts';
import { answering, type BrokerSession, withBroker } from './session.ts';

/** `allocation lag` */
export function addLag(program: Command): void {
  program
    .command('lag')
    .description('how many commands wait for their answer, per partition: the true end-to-end lag')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  $ npx allocation lag
  $ npx allocation lag --json | jq .total`,
    )
    .action(async ({ json }: { json: boolean }) => {
      const partitions = await withBroker({ createTopics: false }, readLag);
      const total = partitions.reduce((sum, { lag }) => sum + lag, 0);
      if (json) return printJson({ partitions, total });
      const rows = partitions.map(({ partition, committed, end, lag }) => [
        partition,
        committed ?? '-',
        end,
        lag,
      ]);
      printTable(['PARTITION', 'COMMITTED', 'END', 'LAG'], [...rows, ['total', '', '', total]]);
    });
}

interface PartitionLag {
  readonly partition: number;
  /** The offset of the next command to answer; null: the group has not answered any yet. */
  readonly committed: number | null;
  readonly end: number;
  readonly lag: number;
}

async function readLag({ broker, config }: BrokerSession): Promise<readonly PartitionLag[]> {
  const ranges = await answering(broker.offsetRanges(config.commandsTopic), config);
  const offsets = await answering(
    broker.committedOffsets(config.groupId, config.commandsTopic),
    config,
  );
  return ranges
    .toSorted((one, other) => one.partition - other.partition)
    .map(({ partition, beginning, end }) => {
      const committed = offsets[partition] ?? null;
      return {
        partition,
        committed,
        end,
        lag: Math.max(0, end - Math.max(committed ?? 0, beginning)),
      };
    });
}
