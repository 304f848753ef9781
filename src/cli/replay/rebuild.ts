import { copyEmbeddedLog } from '../../adapters/broker/embedded/copy.ts';
import { describeUrl, sqliteFile } from '../../adapters/database/connection/database-url.ts';
import { Database } from '../../adapters/database/database.ts';
import type { Act } from '../../audit/audit.ts';
import { type Config, completeDatabaseUrl } from '../../config.ts';
import { embeddedLogUrl } from '../../connections.ts';
import { describeSkipped } from '../../replay/foreign-records.ts';
import { countOffsets } from '../../replay/offset-ranges.ts';
import {
  describeRanges,
  describeTime,
  describeTopic,
  USUAL_REBUILD_RATE,
} from '../../replay/plan-texts.ts';
import { Rebuild, type RebuildReport } from '../../replay/rebuild.ts';
import { planRebuild } from '../../replay/rebuild-plan.ts';
import { awaitBroker } from '../broker-deadline.ts';
import { print, printJson } from '../output.ts';
import { openExistingDatabase, withBroker, withLongBusyTimeout } from '../session.ts';
import { confirmPlan } from './confirm-plan.ts';
import { parseBound, type ReplayOptions } from './options.ts';
import { adviseSkipping } from './skip-foreign.ts';
import { withProgress } from './with-progress.ts';

export interface RebuildOptions extends ReplayOptions {
  readonly into: string;
  readonly until?: string;
  readonly fromCopy: boolean;
  readonly skipForeign: boolean;
}

/** Runs `allocation replay rebuild`. */
export async function rebuild(options: RebuildOptions): Promise<void> {
  const { fromCopy, skipForeign } = options;
  const until = options.until === undefined ? null : parseBound(options.until, Date.now());
  await withBroker({ mayCreate: false }, async ({ config, broker, audit }) => {
    await awaitBroker(broker.logId(config.commandsTopic), config);
    // No deadline: where committed offsets are missing, planning reads all events.
    const newPlan = await planRebuild(broker, config, { until, fromCopy, skipForeign });
    if (fromCopy) await requireCopy(options.into, config);
    const database = await Database.open(
      completeDatabaseUrl(options.into, config),
      withLongBusyTimeout(config).databaseLimits,
    );
    try {
      const rebuilding = await Rebuild.into(database, broker, newPlan);
      const total = countOffsets(rebuilding.plan.ranges);
      const done = await rebuilding.done();
      const plan = describePlan(rebuilding, total, done, options);
      if (!(await confirmPlan(plan, options))) return;
      const howToGoOn = 'Run the same command again to go on from there';
      const outcome = await withProgress(
        { total, done, unit: 'offsets', howToGoOn },
        options,
        (control) => {
          const work = async () => {
            await bringEmbeddedLog(config, options.into, database);
            return adviseSkipping(
              database.longWork((signal) => rebuilding.run({ ...control, signal }), control.signal),
            );
          };
          return audit.carryOut(actOf(options), work, control.signal);
        },
      );
      if (outcome) printReport(outcome.result, outcome.seconds, options);
    } finally {
      await database.close();
    }
  });
}

function actOf({ into, until, fromCopy, skipForeign }: RebuildOptions): Act {
  const options = { fromCopy, skipForeign, ...(until !== undefined && { until }) };
  return { act: 'replay rebuild', on: [describeUrl(into)], options };
}

/** Refuses a missing copy, because a mistyped name must not become an empty database. */
async function requireCopy(url: string, config: Config): Promise<void> {
  const copy = await openExistingDatabase(config, { url, setBy: '--into' });
  await copy.close();
}

function describePlan(
  { plan }: Rebuild,
  total: number,
  done: number,
  { into, until, maxRate }: RebuildOptions,
) {
  const { eventsTopic, commandsTopic, ranges, positions, group } = plan;
  const part = until === undefined ? '' : `, those before ${until}`;
  const lanes = positions.map(
    ({ partition, nextOffset }) => `${commandsTopic}/${partition} at ${nextOffset}`,
  );
  return {
    target: describeUrl(into),
    events: `${describeTopic(eventsTopic, ranges)}${part}`,
    ranges: describeRanges(ranges),
    'goes on at': `${lanes.join(', ') || 'the beginning'} (group ${group})`,
    ...(done > 0 ? { interrupted: `${done} offsets are done` } : {}),
    time: describeTime(total - done, USUAL_REBUILD_RATE, maxRate),
  };
}

function printReport(
  report: RebuildReport,
  seconds: number,
  { into, json, skipForeign }: RebuildOptions,
): void {
  const target = describeUrl(into);
  if (json) {
    printJson({ result: 'rebuilt', target, ...report, seconds });
    return;
  }
  const { read, applied, skipped, foreign } = report;
  print(`Rebuilt ${target} in ${seconds} s: ${read} records read, ${applied} events applied`);
  print(
    `Skipped: ${skipped.known} known, ${skipped.repeated} repeated, ` +
      `${skipped.beyondThePositions} beyond the group's offsets, ` +
      `${skipped.later} later than --until`,
  );
  if (skipForeign) print(`Skipped records of others: ${describeSkipped(foreign)}`);
}

/** Copies the embedded log into the target, because a service on that file looks for it there. */
async function bringEmbeddedLog(config: Config, into: string, target: Database): Promise<void> {
  if (config.kafkaBrokers || target.dialect !== 'sqlite') return;
  const file = sqliteFile(embeddedLogUrl(config));
  if (file !== sqliteFile(into)) await copyEmbeddedLog(file, target);
}
