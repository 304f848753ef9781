// @module-tag db
// @module-tag kafka
// @module-tag slow
// @module-tag campaign

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { CommandFlow } from '../support/command-flow.ts';
import { postgresDatabase } from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';
import { expectNothingWrong, sharedOut, terminated, underLoad } from '../support/instances.ts';
import { ServiceProcess } from '../support/service-process.ts';

const COMMANDS_PER_STEP = 500;
const ROUGHNESS = { duplicated: 0.05, reordered: 0.02, pauseMs: 100 };
const PATIENCE_MS = 60_000;

/** The log line of an instance that has opened a lane. */
interface Opening {
  readonly lane: string;
  readonly generation: number;
}

function openings({ output }: ServiceProcess): readonly Opening[] {
  return output
    .filter((line) => /"Partition \d+ processing"/.test(line))
    .map((line) => JSON.parse(line))
    .map(({ lane, generation }: Opening) => ({ lane, generation }))
    .sort((a, b) => a.lane.localeCompare(b.lane));
}

const brokers = inject('kafkaBrokers');

describe.skipIf(!brokers || !inject('postgresUrl'))('instances with a KAFKA_INSTANCE_ID', () => {
  let flow: CommandFlow;
  let directory: string;
  let database: Awaited<ReturnType<typeof postgresDatabase>>;
  let started: ServiceProcess[];

  const start = async (instanceId: string) => {
    const environment = {
      ...flow.environment(brokers ?? '', database.url),
      KAFKA_INSTANCE_ID: instanceId,
    };
    const instance = ServiceProcess.spawn(environment, directory);
    started.push(instance);
    await instance.ready();
    return instance;
  };

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-'));
    flow = new CommandFlow(brokers ?? '', ROUGHNESS);
    await flow.connect();
    database = await postgresDatabase();
    started = [];
  });

  afterEach(async () => {
    await Promise.all(started.map((instance) => instance.stop('SIGKILL')));
    await flow.disconnect();
    await database.remove();
    await rm(directory, { recursive: true, force: true });
  });

  it('when one restarts, all keep their partitions and the generation', async () => {
    const staying = await start('staying');
    const restarted = await start('restarted');
    await flow.bringStock();
    await sharedOut([staying, restarted]);
    const before = { ofStaying: openings(staying), ofRestarted: openings(restarted) };
    expect(new Set(before.ofRestarted.map(({ generation }) => typeof generation))).toEqual(
      new Set(['number']),
    );
    let again = restarted;
    await underLoad(flow, 1, COMMANDS_PER_STEP, async () => {
      await terminated(restarted);
      again = await start('restarted');
      await sharedOut([staying, again]);
    });
    // If `staying` had closed and opened a lane, it would have logged one more opening.
    expect(openings(staying)).toEqual(before.ofStaying);
    expect(openings(again)).toEqual(before.ofRestarted);
    await expectNothingWrong(flow, [staying, again], database.url);
  }, 300_000);

  it('a second process with the same id takes over, and the first says why it ends', async () => {
    const other = await start('other');
    const first = await start('same');
    await flow.bringStock();
    await sharedOut([other, first]);
    let second = first;
    await underLoad(flow, 1, COMMANDS_PER_STEP, async () => {
      second = await start('same');
      await sharedOut([other, second]);
    });
    await eventually(() => expect(first.exitCode).toBe(1), { withinMs: PATIENCE_MS });
    expect(first.output.filter((line) => line.includes('KAFKA_INSTANCE_ID'))).not.toEqual([]);
    await expectNothingWrong(flow, [other, second], database.url);
  }, 300_000);
});
