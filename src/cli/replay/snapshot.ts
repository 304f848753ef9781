import { describeUrl } from '../../adapters/database/connection/database-url.ts';
import { completeDatabaseUrl } from '../../config.ts';
import { describeTime } from '../../replay/plan-texts.ts';
import { findEventEnds, planSnapshot, takeSnapshot } from '../../replay/snapshot.ts';
import { awaitBroker } from '../broker-deadline.ts';
import { print, printJson } from '../output.ts';
import { withBroker, withDatabase } from '../session.ts';
import { confirmPlan } from './confirm-plan.ts';
import type { ReplayOptions } from './options.ts';
import { withProgress } from './with-progress.ts';

export interface SnapshotOptions extends ReplayOptions {
  readonly into: string;
}

/** Rows per second on an ordinary machine, for the estimate in the plan. */
const USUAL_RATE = 50_000;

/** Runs `allocation replay snapshot`. */
export async function snapshot(options: SnapshotOptions): Promise<void> {
  await withBroker({ mayCreate: false }, ({ config, broker, audit }) =>
    withDatabase({ mayCreate: false }, async (source) => {
      const events = await awaitBroker(findEventEnds(broker, config.eventsTopic), config);
      const into = completeDatabaseUrl(options.into, config);
      const plan = await planSnapshot(source, events, config.commandsTopic, into);
      const { rows, positions } = plan;
      const target = describeUrl(options.into);
      const lanes = positions.map(
        ({ topic, partition, nextOffset }) => `${topic}/${partition} at ${nextOffset}`,
      );
      const isConfirmed = await confirmPlan(
        {
          source: describeUrl(config.databaseUrl),
          target,
          rows,
          positions: lanes.join(', ') || 'none',
          time: describeTime(rows, USUAL_RATE),
        },
        options,
      );
      if (!isConfirmed) return;
      const howToGoOn = 'The unfinished copy is removed. Run the same command to begin again';
      const outcome = await withProgress(
        { total: rows, done: 0, unit: 'rows', howToGoOn },
        options,
        (control) =>
          audit.carryOut(
            { act: 'replay snapshot', on: [target] },
            () => takeSnapshot(source, plan, control),
            control.signal,
          ),
      );
      if (!outcome) return;
      const { seconds } = outcome;
      if (options.json) return printJson({ result: 'copied', target, rows, seconds });
      print(`Copied ${describeUrl(config.databaseUrl)} to ${target} in ${seconds} s`);
    }),
  );
}
