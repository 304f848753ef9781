import { type Command, InvalidArgumentError } from 'commander';
import type { LaneControl } from '../lanes/lane-control.ts';
import type { LanePause } from '../service-layer/lane-store.ts';
import { UsageError } from './errors.ts';
import { jsonOption, print, printJson, printOutcome, printTable } from './output.ts';
import { readSettings, withDatabase } from './session.ts';
import { withAudit } from './with-audit.ts';

interface JsonOption {
  readonly json: boolean;
}

/** Adds `allocation lanes`, `lanes pause` and `lanes resume`. */
export function addLanes(program: Command): void {
  const lanes = program
    .command('lanes')
    .description('list the lanes, and pause or resume one of them')
    // Otherwise `lanes` would take an option that belongs to `lanes pause` or `lanes resume`.
    .enablePositionalOptions()
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  $ npx allocation lanes
  $ npx allocation lanes pause 3 --reason "wrong prices in the orders of today"
  $ npx allocation lanes resume 3`,
    )
    .action(printLanes);
  lanes
    .command('pause')
    .description('let a lane answer no further command until it is resumed')
    .argument('<partition>', 'a partition of the commands topic', parsePartition)
    .requiredOption('--reason <text>', 'why, for the people who look at the lane')
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  $ npx allocation lanes pause 3 --reason "wrong prices"')
    .action(pauseLane);
  lanes
    .command('resume')
    .description('let a paused lane go on')
    .argument('<partition>', 'a partition of the commands topic', parsePartition)
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  $ npx allocation lanes resume 3')
    .action(resumeLane);
}

async function printLanes({ json }: JsonOption): Promise<void> {
  const { listLanes } = await import('../lanes/lane-list.ts');
  const { commandsTopic } = await readSettings();
  const lanes = await withDatabase({ mayCreate: false }, (database) =>
    listLanes(database, commandsTopic),
  );
  if (json) return printJson({ lanes });
  if (lanes.length === 0)
    return print(`The service has opened no lane of ${commandsTopic} yet: npx allocation start`);
  printTable(
    ['PARTITION', 'POSITION', 'STATE', 'BY', 'SINCE', 'REASON'],
    lanes.map(({ partition, position, paused }) => [partition, position, ...cellsOf(paused)]),
  );
}

function cellsOf(paused: LanePause | null): readonly string[] {
  return paused ? ['paused', paused.by, paused.at, paused.reason] : ['-', '', '', ''];
}

async function pauseLane(
  partition: number,
  { reason, json }: JsonOption & { readonly reason: string },
): Promise<void> {
  const { pauseReason } = await import('../lanes/pause-reason.ts');
  const { error } = pauseReason.safeParse(reason);
  if (error) throw new UsageError(`--reason ${error.issues[0]?.message}`);
  const paused = await change((lanes, by) => lanes.pause(partition, reason, by));
  if (paused === null) throw unknownLane(partition);
  const line =
    `Partition ${partition} is paused: within a second, its owner begins no more transactions. ` +
    `To go on: npx allocation lanes resume ${partition}`;
  printOutcome(json, { partition, paused }, line);
}

async function resumeLane(partition: number, { json }: JsonOption): Promise<void> {
  if (!(await change((lanes, by) => lanes.resume(partition, by)))) throw unknownLane(partition);
  const line = `Partition ${partition} is resumed: its owner goes on within a second`;
  printOutcome(json, { partition, paused: null }, line);
}

async function change<T>(act: (lanes: LaneControl, by: string) => Promise<T>): Promise<T> {
  const { LaneControl } = await import('../lanes/lane-control.ts');
  const { localUser } = await import('../audit/local-user.ts');
  return withAudit({ createsLog: false }, ({ config, audit }) =>
    withDatabase({ mayCreate: false }, (database) => {
      const topic = config.commandsTopic;
      return act(new LaneControl({ database, topic, audit: () => audit }), localUser());
    }),
  );
}

function unknownLane(partition: number): Error {
  return new Error(
    `The service has never opened a lane ${partition}: "npx allocation lanes" lists its lanes`,
  );
}

function parsePartition(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be the number of a partition, 0 or more.');
}
