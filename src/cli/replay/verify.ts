import { describeUrl } from '../../adapters/database/connection/options.ts';
import { Database } from '../../adapters/database/database.ts';
import { describeSkipped } from '../../replay/foreign-records.ts';
import { countOffsets } from '../../replay/rebuild-plan.ts';
import { type Difference, type VerifyReport, verify } from '../../replay/verify.ts';
import { print, printJson, printTable, visible } from '../output.ts';
import { answering, patient, withBroker } from '../session.ts';
import { type ActOptions, carryOut } from './act.ts';

export interface VerifyOptions extends Omit<ActOptions, 'execute'> {
  readonly database?: string;
  readonly skipForeign: boolean;
}

/** `allocation replay verify` */
export async function verifyDatabase(options: VerifyOptions): Promise<void> {
  await withBroker({ createTopics: false }, async ({ config, broker }) => {
    const { skipForeign } = options;
    const { eventsTopic, commandsTopic, groupId: group } = config;
    const url = options.database ?? config.databaseUrl;
    const total = countOffsets(await answering(broker.offsetRanges(eventsTopic), config));
    if (!options.json)
      print(`Comparing ${describeUrl(url)} with ${total} offsets of ${eventsTopic} (reads only)`);
    const database = await Database.open(url, patient(config).databaseLimits);
    try {
      const howToGoOn = 'Nothing was changed; the same command begins anew';
      const outcome = await carryOut(
        { total, done: 0, unit: 'offsets', howToGoOn },
        { ...options, execute: true },
        (act) => verify(database, broker, { eventsTopic, commandsTopic, group, skipForeign }, act),
      );
      if (!outcome) return;
      const { result, seconds } = outcome;
      const isEqual = Object.keys(result.counts).length === 0;
      if (!isEqual) process.exitCode = 1;
      if (options.json)
        return printJson({
          result: !isEqual ? 'different' : result.incomplete > 0 ? 'equal-where-compared' : 'equal',
          ...result,
          seconds,
        });
      if (result.lost.length > 0) print(sayLost(result));
      if (skipForeign) print(`Skipped of others: ${describeSkipped(result.foreign)}`);
      for (const difference of result.differences) print(inWords(difference));
      if (isEqual)
        return print(
          `Equal: ${result.read} records read in ${seconds} s, no difference${result.incomplete > 0 ? ' in what was compared' : ''}`,
        );
      print('');
      printTable(['DIFFERENCE', 'COUNT'], Object.entries(result.counts));
      print(`\nDifferent: ${result.read} records read in ${seconds} s`);
    } finally {
      await database.close();
    }
  });
}

function sayLost({ lost, incomplete }: VerifyReport): string {
  const begins = lost
    .map(({ partition, beginning }) => `${partition} begins at ${beginning}`)
    .join(', ');
  return (
    `The topic has lost its beginning (partition ${begins}): products of which every event is there were compared; ` +
    `of ${incomplete} others only that their version is not older than their newest event`
  );
}

function inWords({ kind, subject, expected, found, event }: Difference): string {
  const says = event === null ? '' : ` (the event ${event})`;
  return visible(`${kind}: ${subject}: expected ${expected}, found ${found}${says}`);
}
