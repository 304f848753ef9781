// @module-tag db
// @module-tag kafka
// @module-tag slow
// @module-tag campaign

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { CommandFlow } from '../support/command-flow.ts';
import { eventually } from '../support/eventually.ts';
import { ServiceProcess } from '../support/service-process.ts';

const brokers = inject('kafkaBrokers');
const COMMANDS = 200;
/** How long a rebalance may take to give the partitions back on a busy machine. */
const WITHIN_MS = 20_000;

describe.skipIf(!brokers)('a second service in the group with an empty database', () => {
  let directory: string;
  let flow: CommandFlow;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-'));
    flow = new CommandFlow(brokers ?? '');
    await flow.connect();
  });

  afterEach(async () => {
    await flow.disconnect();
    await rm(directory, { recursive: true, force: true });
  });

  const environment = (name: string) =>
    flow.environment(brokers ?? '', `sqlite:///${join(directory, `${name}.db`)}`);
  const readiness = async ({ url }: ServiceProcess) => {
    const response = await fetch(`${url}/readyz`);
    return `${response.status} ${await response.text()}`;
  };

  it('leaves all partitions to the first, and says why it is not ready', async () => {
    await using healthy = await ServiceProcess.start(environment('right'), directory);
    await flow.bringStock();
    await flow.send(1, COMMANDS);
    await eventually(async () => expect(await flow.lag()).toBe(0), { withinMs: 60_000 });

    await using wrong = ServiceProcess.spawn(environment('empty'), directory);
    await wrong.listens();
    await eventually(
      async () => expect(await readiness(wrong)).toContain('the database is older than the topics'),
      {
        withinMs: 60_000,
      },
    );
    await flow.send(2, COMMANDS);
    await eventually(async () => expect(await flow.lag()).toBe(0), { withinMs: WITHIN_MS });

    await eventually(async () =>
      expect(await readiness(wrong)).toMatch(
        /^503 .*Partition \d was given back: The database stands at offset 0/,
      ),
    );
    await eventually(async () => expect(await readiness(healthy)).toMatch(/^200 /));
    expect(await wrong.stop()).toBe(0);
    expect(wrong.output.filter((line) => line.includes('"Ready'))).toEqual([]);
    expect(await healthy.stop()).toBe(0);
  }, 180_000);
});
