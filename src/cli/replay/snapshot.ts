import { describeUrl } from '../../adapters/database/connection/options.ts';
import { planSnapshot, readEventsSeen, takeSnapshot } from '../../replay/snapshot.ts';
import { print, printJson } from '../output.ts';
import { answering, withBroker, withDatabase } from '../session.ts';
import { type ActOptions, carryOut, isWanted } from './act.ts';

export interface SnapshotOptions {
  readonly into: string;
}

/** Rows per second, of a plain machine: for the estimate in the plan. */
const USUAL_RATE = 50_000;

/** `allocation replay snapshot` */
export async function snapshot(options: SnapshotOptions & ActOptions): Promise<void> {
  await withBroker({ createTopics: false }, ({ config, broker }) =>
    withDatabase(async (source) => {
      const events = await answering(readEventsSeen(broker, config.eventsTopic), config);
      const plan = await planSnapshot(source, events, config.commandsTopic, options.into);
      const { rows, positions } = plan;
      const wanted = await isWanted(
        {
          source: describeUrl(config.databaseUrl),
          target: describeUrl(options.into),
          rows,
          positions:
            positions
              .map(({ topic, partition, nextOffset }) => `${topic}/${partition} at ${nextOffset}`)
              .join(', ') || 'none',
          time: `about ${Math.ceil(rows / USUAL_RATE)} s`,
        },
        options,
      );
      if (!wanted) return;
      const howToGoOn = 'Nothing is left of it; the same command begins anew';
      const outcome = await carryOut(
        { total: rows, done: 0, unit: 'rows', howToGoOn },
        options,
        (act) => takeSnapshot(source, plan, act),
      );
      if (!outcome) return;
      const { seconds } = outcome;
      if (options.json)
        return printJson({ result: 'copied', target: describeUrl(options.into), rows, seconds });
      print(
        `Copied ${describeUrl(config.databaseUrl)} to ${describeUrl(options.into)} in ${seconds} s`,
      );
    }),
  );
}
