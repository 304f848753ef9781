import type { Command } from 'commander';
import { describePause } from '../service-layer/lane-pause.ts';
import type { LanePause } from '../service-layer/lane-store.ts';
import { awaitBroker } from './broker-deadline.ts';
import { jsonOption, print, printJson, printTable } from './output.ts';
import { type BrokerSession, readSettings, withBroker, withDatabase } from './session.ts';

/** Adds `allocation lag`. */
export function addLag(program: Command): void {
  program
    .command('lag')
    .description('show how many commands wait for their answer, per partition: the end-to-end lag')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  $ npx allocation lag
  $ npx allocation lag --json | jq .total`,
    )
    .action(async ({ json }: { json: boolean }) => {
      const partitions = await withBroker({ mayCreate: false }, readLag);
      const total = partitions.reduce((sum, { lag }) => sum + lag, 0);
      const pauses = await readKnownPauses();
      if (json)
        return printJson({
          partitions: partitions.map((each) => ({
            ...each,
            ...(pauses && { paused: pauses.get(each.partition) ?? null }),
          })),
          total,
        });
      const rows = partitions.map(({ partition, committed, end, lag }) => [
        partition,
        committed ?? '-',
        end,
        lag,
      ]);
      printTable(['PARTITION', 'COMMITTED', 'END', 'LAG'], [...rows, ['total', '', '', total]]);
      for (const [partition, pause] of pauses ?? []) print(describePause(partition, pause));
    });
}

interface PartitionLag {
  readonly partition: number;
  /** The offset of the next command to answer. Null: the group has answered no command. */
  readonly committed: number | null;
  /** The offset that the next record will get. */
  readonly end: number;
  /** How many offsets are not answered. */
  readonly lag: number;
}

async function readLag({ broker, config }: BrokerSession): Promise<readonly PartitionLag[]> {
  const ranges = await awaitBroker(broker.offsetRanges(config.commandsTopic), config);
  const offsets = await awaitBroker(
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

/** Reads which lanes are paused. Null: the database cannot be read. The lag needs only the log. */
async function readKnownPauses(): Promise<ReadonlyMap<number, LanePause> | null> {
  const { listLanes } = await import('../lanes/lane-list.ts');
  const { commandsTopic } = await readSettings();
  const lanes = await withDatabase({ mayCreate: false }, (database) =>
    listLanes(database, commandsTopic),
  ).catch(() => null);
  return (
    lanes &&
    new Map(lanes.flatMap(({ partition, paused }) => (paused ? [[partition, paused]] : [])))
  );
}
