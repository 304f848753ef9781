import { copyEmbeddedLog } from '../../adapters/broker/embedded/copy.ts';
import { describeUrl, sqliteFile } from '../../adapters/database/connection/options.ts';
import { Database } from '../../adapters/database/database.ts';
import { embeddedLogUrl } from '../../bootstrap.ts';
import type { Config } from '../../config.ts';
import { describeSkipped } from '../../replay/foreign-records.ts';
import { readPlace } from '../../replay/place.ts';
import { Rebuild } from '../../replay/rebuild.ts';
import { countOffsets, planRebuild } from '../../replay/rebuild-plan.ts';
import { print, printJson } from '../output.ts';
import { answering, patient, withBroker } from '../session.ts';
import { type ActOptions, carryOut, isWanted, orSkip } from './act.ts';

export interface RebuildOptions {
  readonly into: string;
  readonly until?: string;
  readonly fromCopy: boolean;
  readonly skipForeign: boolean;
}

/** Of a plain machine: for the estimate in the plan. */
const USUAL_RATE = 40_000;

/** `allocation replay rebuild` */
export async function rebuild(options: RebuildOptions & ActOptions): Promise<void> {
  const { fromCopy, skipForeign } = options;
  const until = options.until === undefined ? null : readPlace(options.until, Date.now());
  await withBroker({ createTopics: false }, async ({ config, broker }) => {
    await answering(broker.logId(config.commandsTopic), config);
    // Where committed offsets are missing, it reads the events: that takes its time.
    const found = await planRebuild(broker, config, { until, fromCopy, skipForeign });
    const database = await Database.open(options.into, patient(config).databaseLimits);
    try {
      const rebuilding = await Rebuild.into(database, broker, found);
      const { plan } = rebuilding;
      const [total, done] = [countOffsets(plan.ranges), await rebuilding.done()];
      const wanted = await isWanted(
        {
          target: describeUrl(options.into),
          events: `${plan.eventsTopic}, ${total} offsets in ${plan.ranges.length} partitions${options.until === undefined ? '' : `, what lies before ${options.until}`}`,
          ranges: plan.ranges
            .map(({ partition, beginning, end }) => `${partition}: ${beginning} to ${end}`)
            .join(', '),
          'goes on at': `${plan.positions.map(({ partition, nextOffset }) => `${plan.commandsTopic}/${partition} at ${nextOffset}`).join(', ') || 'the beginning'} (group ${plan.group})`,
          ...(done > 0 ? { interrupted: `${done} offsets are done` } : {}),
          time: `about ${Math.ceil((total - done) / Math.min(USUAL_RATE, options.maxRate ?? USUAL_RATE))} s`,
        },
        options,
      );
      if (!wanted) return;
      const howToGoOn = 'The same command again goes on from there';
      const outcome = await carryOut(
        { total, done, unit: 'offsets', howToGoOn },
        options,
        async (act) => {
          await bringEmbeddedLog(config, options.into, database);
          return orSkip(
            database.longWork((signal) => rebuilding.run({ ...act, signal }), act.signal),
          );
        },
      );
      if (!outcome) return;
      const { result, seconds } = outcome;
      if (options.json)
        return printJson({
          result: 'rebuilt',
          target: describeUrl(options.into),
          ...result,
          seconds,
        });
      const { known, repeated, beyondThePositions, later } = result.skipped;
      print(
        `Rebuilt ${describeUrl(options.into)} in ${seconds} s: ${result.read} records read, ${result.applied} events applied`,
      );
      print(
        `Skipped: ${known} known, ${repeated} repeated, ${beyondThePositions} beyond the group's positions, ${later} later than asked for`,
      );
      if (skipForeign) print(`Skipped of others: ${describeSkipped(result.foreign)}`);
    } finally {
      await database.close();
    }
  });
}

/** A service on another SQLite file would find an empty log in it. */
async function bringEmbeddedLog(config: Config, into: string, target: Database): Promise<void> {
  if (config.kafkaBrokers || target.dialect !== 'sqlite') return;
  const file = sqliteFile(embeddedLogUrl(config));
  if (file !== sqliteFile(into)) await copyEmbeddedLog(file, target);
}
