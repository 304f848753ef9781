// @module-tag db
// @module-tag kafka
// @module-tag slow
// @module-tag campaign

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, inject, it } from 'vitest';
import { CommandFlow } from '../support/command-flow.ts';
import { postgresDatabase } from '../support/databases.ts';
import { type FormerRelease, formerRelease } from '../support/former-release.ts';
import { expectNothingWrong, sharedOut, terminated, underLoad } from '../support/instances.ts';
import { ServiceProcess } from '../support/service-process.ts';

const COMMANDS_PER_STEP = 500;
const ROUGHNESS = { duplicated: 0.05, reordered: 0.02, pauseMs: 100 };

const brokers = inject('kafkaBrokers');

describe.skipIf(!brokers || !inject('postgresUrl'))(
  'an upgrade from the former release on Kafka and PostgreSQL',
  () => {
    const flow = new CommandFlow(brokers ?? '', ROUGHNESS);
    let directory: string;
    let former: FormerRelease | null = null;

    beforeAll(async () => {
      directory = await mkdtemp(join(tmpdir(), 'allocation-'));
      await flow.connect();
      former = await formerRelease().catch((reason: Error) => {
        process.stderr.write(`The upgrade is not tested: ${reason.message}\n`);
        return null;
      });
    });

    afterAll(async () => {
      await flow.disconnect();
      await former?.remove();
      await rm(directory, { recursive: true, force: true });
    });

    it('loses and repeats nothing, though an old instance wakes up among new ones', async ({
      skip,
    }) => {
      if (!former) return skip();
      const { program } = former;
      const database = await postgresDatabase();
      const environment = flow.environment(brokers ?? '', database.url);
      const started: ServiceProcess[] = [];
      const start = async (release?: FormerRelease['program']) => {
        const instance = ServiceProcess.spawn(environment, directory, release);
        started.push(instance);
        await instance.ready();
        return instance;
      };
      try {
        const instances = [await start(program), await start(program)];
        // The former release does not start on a newer database. So the sleeper starts now, sleeps
        // past its session, and wakes up among new ones.
        const sleeper = await start(program);
        await flow.bringStock();
        await sharedOut([...instances, sleeper]);
        process.kill(sleeper.pid, 'SIGSTOP');
        await sharedOut(instances);
        for (const index of [0, 1]) {
          await underLoad(flow, 1 + index, COMMANDS_PER_STEP, async () => {
            await terminated(instances[index] as ServiceProcess);
            instances[index] = await start();
            await sharedOut(instances);
          });
        }
        await underLoad(flow, 3, COMMANDS_PER_STEP, async () => {
          process.kill(sleeper.pid, 'SIGCONT');
          await sharedOut([...instances, sleeper]);
          await terminated(sleeper);
          await sharedOut(instances);
        });
        await expectNothingWrong(flow, instances, database.url);
      } finally {
        await Promise.all(started.map((instance) => instance.stop('SIGKILL')));
        await database.remove();
      }
    }, 600_000);
  },
);
