import { SqlLaneStore } from '../../adapters/database/lanes/sql-lane-store.ts';
import { AnswerReader } from '../../entrypoints/answered-offsets.ts';
import { NOTHING_ANSWERED_HERE } from '../../entrypoints/lost-offset.ts';
import {
  type Choice,
  type LaneOffsets,
  type LaneSources,
  readLaneOffsets,
  settleLaneOffsets,
} from '../../replay/lane-offsets.ts';
import { UsageError } from '../errors.ts';
import { print, printJson, printTable } from '../output.ts';
import { answering, withBroker, withDatabase } from '../session.ts';

export interface OffsetsOptions {
  readonly publish: boolean;
  readonly skip: boolean;
  readonly execute: boolean;
  readonly json: boolean;
}

/** What each state means for the operator. */
const MEANING: Readonly<Record<LaneOffsets['state'], string>> = {
  known: 'nothing to do',
  proven: 'nothing to do: the service commits what it found',
  older: 'the database lacks answers that are published: rebuild it',
  doubtful: 'cannot be proven: choose --publish or --skip',
  empty: 'the database has answered nothing',
};

/** `allocation replay offsets` */
export async function settleOffsets(options: OffsetsOptions): Promise<void> {
  const choice = choiceOf(options);
  if (options.execute && choice === null)
    throw new UsageError('--execute needs --publish or --skip: only you can decide that');
  const stopping = new AbortController();
  const stop = () =>
    stopping.abort(new Error('Interrupted: nothing more is changed; the same command begins anew'));
  process.once('SIGINT', stop).once('SIGTERM', stop);
  await withBroker({ createTopics: false }, ({ config, broker }) =>
    withDatabase(async (database) => {
      const { commandsTopic, groupId: group } = config;
      await answering(broker.logId(commandsTopic), config);
      const tell = (text: string) => void process.stderr.write(`${text}\n`);
      const sources: LaneSources = {
        broker,
        database,
        store: new SqlLaneStore(database, () => {}),
        answers: new AnswerReader(broker, config, { info: tell }),
        commandsTopic,
        group,
      };
      const watch = { signal: stopping.signal, onProgress: () => {} };
      const lanes = await readLaneOffsets(sources, watch);
      show(lanes, choice, options);
      if (!options.execute || choice === null) return;
      const settled = await settleLaneOffsets(sources, choice, watch);
      for (const [partition, offset] of settled) {
        if (options.json) printJson({ result: 'committed', partition, offset });
        else print(`Committed ${offset} for ${commandsTopic}/${partition} (group ${group})`);
      }
    }),
  );
}

function choiceOf({ publish, skip }: OffsetsOptions): Choice | null {
  if (publish) return 'publish';
  return skip ? 'skip' : null;
}

function show(
  lanes: readonly LaneOffsets[],
  choice: Choice | null,
  { json, execute }: OffsetsOptions,
): void {
  if (json) {
    for (const lane of lanes) printJson(lane);
    return;
  }
  printTable(
    ['PARTITION', 'COMMITTED', 'DATABASE', 'PUBLISHED', 'WAITING', 'STATE', ''],
    lanes.map(({ partition, committed, position, published, waiting, state }) => {
      return [
        partition,
        committed ?? 'missing',
        position,
        `below ${published}`,
        waiting,
        state,
        MEANING[state],
      ];
    }),
  );
  if (lanes.some(({ state }) => state === 'empty')) {
    if (!execute) print(`\n${NOTHING_ANSWERED_HERE}`);
  } else if (!lanes.some(({ state }) => state === 'doubtful')) print('\nNothing is in doubt.');
  else if (choice !== null && !execute) print('\nNothing is done. To do it, add --execute');
  else if (choice === null)
    print(
      '\nNothing is done. --publish sends what waits, and may repeat answers; --skip takes it as published, and may lose answers.',
    );
}
