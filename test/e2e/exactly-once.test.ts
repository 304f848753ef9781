import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { checkHistory } from '../support/check-history.ts';
import { CommandFlow, workingLanes } from '../support/command-flow.ts';
import { eventually } from '../support/eventually.ts';
import { readHistory } from '../support/read-history.ts';
import { ServiceProcess } from '../support/service-process.ts';

const KILLS = 20;
const COMMANDS_PER_KILL = 1_000;

const brokers = inject('kafkaBrokers');

describe.skipIf(!brokers)('the service on real Kafka, killed with SIGKILL while commands flow', () => {
  const flow = new CommandFlow(brokers ?? '');
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-'));
    await flow.connect();
  });

  afterAll(async () => {
    await flow.disconnect();
    await rm(directory, { recursive: true, force: true });
  });

  it('answers every command once, as if nothing had happened, and its database is what the answers say', async () => {
    const databaseUrl = `sqlite:///${join(directory, 'allocation.db')}`;
    const environment = flow.environment(brokers ?? '', databaseUrl);
    /** What the services said of what they found when they opened their lanes. */
    const openings: string[] = [];
    for (let kill = 0; kill < KILLS; kill += 1) {
      const service = await ServiceProcess.start(environment, directory);
      await workingLanes(service.url, 4);
      const sending = flow.send(kill, COMMANDS_PER_KILL);
      await sleep(Math.random() * 400);
      await service.stop('SIGKILL');
      openings.push(...service.output.filter((line) => line.includes('left behind')));
      await sending;
    }
    await using service = await ServiceProcess.start(environment, directory);
    await eventually(async () => expect(await flow.lag()).toBe(0), { withinMs: 120_000 });
    expect(await service.stop()).toBe(0);
    const history = await readHistory(flow.kafka, flow.topics, flow.group, databaseUrl);
    expect(history.commands).toHaveLength(KILLS * COMMANDS_PER_KILL);
    expect(checkHistory(history), `lanes opened:\n${openings.join('\n')}`).toEqual([]);
  }, 900_000);
});
