// @module-tag db
// @module-tag kafka
// @module-tag slow
// @module-tag campaign

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { CommandFlow, LANES, unseenTypes, workingLanes } from '../support/command-flow.ts';
import { eventually } from '../support/eventually.ts';
import { SKUS } from '../support/flow-commands.ts';
import { checkHistory } from '../support/judge/check-history.ts';
import { readHistory } from '../support/read-history.ts';
import { RecoveryTimes } from '../support/recovery-times.ts';
import { ServiceProcess } from '../support/service-process.ts';

/** With FAULTS=all, as many kills as the fault campaign asks for. */
const KILLS = process.env.FAULTS === 'all' ? 50 : 10;
const COMMANDS_PER_KILL = 1_000;
/** How soon the service works again after a SIGKILL. The dead member's session alone takes 6 s. */
const TARGET_MS = 8_000;

const brokers = inject('kafkaBrokers');

describe.skipIf(!brokers)(
  'the service on real Kafka, killed with SIGKILL while commands flow',
  () => {
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

    it('answers each command once, and its database is what the answers say', async () => {
      const databaseUrl = `sqlite:///${join(directory, 'allocation.db')}`;
      const environment = flow.environment(brokers ?? '', databaseUrl);
      /** The log lines about answers that the services found left behind when they opened lanes. */
      const openings: string[] = [];
      const times = new RecoveryTimes();
      let service = await ServiceProcess.start(environment, directory);
      try {
        await flow.bringStock();
        for (let kill = 1; kill <= KILLS; kill += 1) {
          const sending = flow.send(kill, COMMANDS_PER_KILL);
          await sleep(Math.random() * 400);
          await service.stop('SIGKILL');
          const killedMs = performance.now();
          openings.push(...service.output.filter((line) => line.includes('left behind')));
          const ends = await flow.ends();
          service = await ServiceProcess.start(environment, directory);
          await workingLanes(service.url, LANES);
          await eventually(async () => expect(await flow.lag(ends)).toBe(0), { withinMs: 60_000 });
          times.add('SIGKILL', performance.now() - killedMs, TARGET_MS);
          await sending;
        }
        await eventually(async () => expect(await flow.lag()).toBe(0), { withinMs: 120_000 });
        expect(await service.stop()).toBe(0);
      } finally {
        await service.stop('SIGKILL');
      }
      const history = await readHistory(flow.kafka, flow.topics, flow.group, databaseUrl);
      expect(history.commands).toHaveLength(SKUS + KILLS * COMMANDS_PER_KILL);
      expect(checkHistory(history), `lanes opened:\n${openings.join('\n')}`).toEqual([]);
      expect(unseenTypes(history)).toEqual([]);
      process.stdout.write(times.text());
      expect(times.complaints()).toEqual([]);
    }, 1_800_000);
  },
);
