import { SqlLaneStore } from '../../adapters/database/lanes/sql-lane-store.ts';
import type { ActReport } from '../../audit/audit.ts';
import { AnswerReader } from '../../entrypoints/answered-offsets.ts';
import { NOTHING_ANSWERED_HERE } from '../../entrypoints/lost-offset.ts';
import {
  type OffsetReport,
  type OffsetSources,
  readLaneOffsets,
  type SettleChoice,
  settleLaneOffsets,
} from '../../replay/settle-offsets.ts';
import { awaitBroker } from '../broker-deadline.ts';
import { UsageError } from '../errors.ts';
import { withInterruption } from '../interruption.ts';
import { print, printJson, printTable, printToStderr } from '../output.ts';
import { withBroker, withDatabase } from '../session.ts';

export interface OffsetsOptions {
  readonly publish: boolean;
  readonly skip: boolean;
  readonly execute: boolean;
  readonly json: boolean;
}

/** What each state means for the operator. */
const MEANING: Readonly<Record<OffsetReport['state'], string>> = {
  known: 'nothing to do',
  proven: 'nothing to do: the service commits what it found',
  older: 'the database lacks published answers: rebuild it',
  doubtful: 'cannot be proven: choose --publish or --skip',
  empty: 'the database has answered nothing',
};

/** Runs `allocation replay offsets`. */
export async function settleOffsets(options: OffsetsOptions): Promise<void> {
  const choice = choiceOf(options);
  if (options.execute && choice === null)
    throw new UsageError('--execute needs --publish or --skip: only you can decide between them');
  await withInterruption(
    (signal) => showAndSettle(signal, choice, options),
    'the lanes that are left stay as they are. Run the same command again',
  );
}

/** Shows each lane, and settles those in doubt if the user has said how. */
function showAndSettle(
  signal: AbortSignal,
  choice: SettleChoice | null,
  options: OffsetsOptions,
): Promise<void> {
  return withBroker({ mayCreate: false }, ({ config, broker, audit }) =>
    withDatabase({ mayCreate: false }, async (database) => {
      const { commandsTopic, groupId: group } = config;
      await awaitBroker(broker.logId(commandsTopic), config);
      const info = printToStderr;
      const sources: OffsetSources = {
        broker,
        database,
        store: new SqlLaneStore(database, () => {}),
        answers: new AnswerReader(broker, config, { info }),
        commandsTopic,
        group,
      };
      const watch = { signal, onProgress: () => {} };
      const lanes = await readLaneOffsets(sources, watch);
      printLanes(lanes, choice, options);
      if (!options.execute || choice === null || !lanes.some(isUnsettled)) return;
      const on = lanes.filter(isUnsettled).map(({ partition }) => `${commandsTopic}/${partition}`);
      const act = { act: 'replay offsets', on, options: { choice, group } } as const;
      const settle = (report: ActReport) =>
        settleLaneOffsets(sources, choice, watch, (partition, offset) => {
          report.done(`${commandsTopic}/${partition}`);
          if (options.json) printJson({ result: 'committed', partition, offset });
          else print(`Committed ${offset} for ${commandsTopic}/${partition} (group ${group})`);
        });
      await audit.carryOut(act, settle, signal);
    }),
  );
}

/** Tells whether settling would change the lane, or be refused because of the lane. */
function isUnsettled({ state }: OffsetReport): boolean {
  return state === 'doubtful' || state === 'empty';
}

function choiceOf({ publish, skip }: OffsetsOptions): SettleChoice | null {
  if (publish) return 'publish';
  return skip ? 'skip' : null;
}

function printLanes(
  lanes: readonly OffsetReport[],
  choice: SettleChoice | null,
  { json, execute }: OffsetsOptions,
): void {
  if (json) {
    for (const lane of lanes) printJson(lane);
    return;
  }
  printTable(
    ['PARTITION', 'COMMITTED', 'DATABASE', 'PUBLISHED', 'WAITING', 'STATE', ''],
    lanes.map(({ partition, committed, position, published, waiting, state }) => [
      partition,
      committed ?? 'missing',
      position,
      `below ${published}`,
      waiting,
      state,
      MEANING[state],
    ]),
  );
  const advice = adviceFor(lanes, choice, execute);
  if (advice !== null) print(`\n${advice}`);
}

/** Says what to do next; null: the command goes on. */
function adviceFor(
  lanes: readonly OffsetReport[],
  choice: SettleChoice | null,
  execute: boolean,
): string | null {
  if (lanes.some(({ state }) => state === 'empty')) return execute ? null : NOTHING_ANSWERED_HERE;
  if (!lanes.some(({ state }) => state === 'doubtful')) return 'Nothing is in doubt.';
  if (choice === null)
    return (
      'Nothing is done. --publish publishes the waiting answers, and may repeat some; ' +
      '--skip takes them as published, and may lose some.'
    );
  return execute ? null : 'Nothing is done. To do it, add --execute';
}
