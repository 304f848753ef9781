import { describeUrl } from '../../adapters/database/connection/database-url.ts';
import { differenceInWords } from '../../replay/differences.ts';
import { describeSkipped } from '../../replay/foreign-records.ts';
import { countOffsets } from '../../replay/offset-ranges.ts';
import { type VerifyReport, verdictOfVerify, verify } from '../../replay/verify.ts';
import { awaitBroker } from '../broker-deadline.ts';
import { print, printJson, printTable, visible } from '../output.ts';
import { openExistingDatabase, refuseOlderTables, withBroker } from '../session.ts';
import type { ReplayOptions } from './options.ts';
import { withProgress } from './with-progress.ts';

export interface VerifyOptions extends Omit<ReplayOptions, 'execute'> {
  readonly database?: string;
  readonly skipForeign: boolean;
}

/** Runs `allocation replay verify`. */
export async function verifyDatabase(options: VerifyOptions): Promise<void> {
  await withBroker({ mayCreate: false }, async ({ config, broker }) => {
    const { skipForeign } = options;
    const { eventsTopic, commandsTopic, groupId: group } = config;
    const plan = { eventsTopic, commandsTopic, group, skipForeign };
    const url = options.database ?? config.databaseUrl;
    const setBy = options.database === undefined ? 'DATABASE_URL' : '--database';
    const database = await openExistingDatabase(config, { url, setBy });
    try {
      const total = countOffsets(await awaitBroker(broker.offsetRanges(eventsTopic), config));
      if (!options.json)
        print(`Comparing ${describeUrl(url)} with ${total} offsets of ${eventsTopic} (reads only)`);
      const howToGoOn = 'Nothing was changed. Run the same command to begin again';
      const outcome = await withProgress(
        { total, done: 0, unit: 'offsets', howToGoOn },
        { ...options, execute: true },
        (control) => verify(database, broker, plan, control),
      );
      if (!outcome) return;
      const { result, seconds } = outcome;
      if (Object.keys(result.counts).length > 0) process.exitCode = 1;
      if (options.json) printJson({ result: verdictOfVerify(result), ...result, seconds });
      else printReport(result, seconds, skipForeign);
    } catch (error) {
      refuseOlderTables(error);
      throw error;
    } finally {
      await database.close();
    }
  });
}

function printReport(report: VerifyReport, seconds: number, skipForeign: boolean): void {
  const { read, lost, incomplete, counts, differences, foreign } = report;
  if (lost.length > 0) print(describeLost(report));
  if (skipForeign) print(`Skipped records of others: ${describeSkipped(foreign)}`);
  for (const difference of differences) print(visible(differenceInWords(difference)));
  if (verdictOfVerify(report) !== 'different') {
    const where = incomplete > 0 ? ' in what was compared' : '';
    print(`Equal: ${read} records read in ${seconds} s, no difference${where}`);
    return;
  }
  print('');
  printTable(['DIFFERENCE', 'COUNT'], Object.entries(counts));
  print(`\nDifferent: ${read} records read in ${seconds} s`);
}

function describeLost({ lost, incomplete }: VerifyReport): string {
  const beginnings = lost
    .map(({ partition, beginning }) => `${partition} begins at ${beginning}`)
    .join(', ');
  return (
    `Retention has deleted the beginning of the topic (partition ${beginnings}). ` +
    `Products with all their events were compared whole. ${incomplete} others may lack events: ` +
    'only their version was compared, which must not be older than their newest event'
  );
}
