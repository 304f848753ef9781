// @module-tag db
// @module-tag kafka
// @module-tag slow
// @module-tag campaign

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { Database, type Sql } from '../../src/adapters/database/database.ts';
import { runCli } from '../support/cli.ts';
import { CommandFlow } from '../support/command-flow.ts';
import { postgresDatabase } from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';
import { checkHistory } from '../support/judge/check-history.ts';
import { ServiceProcess } from '../support/service-process.ts';

const COMMANDS = 2_000;

const brokers = inject('kafkaBrokers');

describe.skipIf(!brokers || !inject('postgresUrl'))(
  'two instances with AUTO_RECOVER on a PostgreSQL database that is lost',
  () => {
    let directory: string;
    let flow: CommandFlow;
    let empty: Awaited<ReturnType<typeof postgresDatabase>>;
    const instances: ServiceProcess[] = [];

    beforeEach(async () => {
      directory = await mkdtemp(join(tmpdir(), 'allocation-'));
      flow = new CommandFlow(brokers ?? '');
      await flow.connect();
      await answerCommandsOnALostDatabase();
      empty = await postgresDatabase();
    });

    afterEach(async () => {
      for (const instance of instances.splice(0)) await instance.stop('SIGKILL');
      await flow.disconnect();
      await empty.remove();
      await rm(directory, { recursive: true, force: true });
    });

    const environment = (databaseUrl: string) => flow.environment(brokers ?? '', databaseUrl);

    async function answerCommandsOnALostDatabase(): Promise<void> {
      await using service = await ServiceProcess.start(
        environment(`sqlite:///${join(directory, 'lost.db')}`),
        directory,
      );
      await flow.bringStock();
      await flow.send(0, COMMANDS);
      await eventually(async () => expect(await flow.lag()).toBe(0), { withinMs: 120_000 });
      await service.stop();
    }

    async function startInstance(): Promise<ServiceProcess> {
      const port = await freePort();
      const instance = ServiceProcess.spawn(
        { ...environment(empty.url), AUTO_RECOVER: 'true', HTTP_PORT: String(port) },
        directory,
      );
      instance.url = `http://127.0.0.1:${port}`;
      instances.push(instance);
      return instance;
    }

    const readiness = async ({ url }: ServiceProcess) => (await fetch(`${url}/readyz`)).text();
    const says = ({ output }: ServiceProcess, text: string) =>
      output.some((line) => line.includes(text));

    /** @returns the instance that rebuilds, at its last step, and the one that waits for it */
    async function startBoth(): Promise<readonly [ServiceProcess, ServiceProcess]> {
      const both = [await startInstance(), await startInstance()] as const;
      return eventually(
        async () => {
          const texts = await Promise.all(both.map(readiness));
          const [rebuilding, waiting] = texts[0]?.includes('99 % of') ? [0, 1] : [1, 0];
          expect(texts[rebuilding]).toContain('99 % of');
          expect(texts[waiting]).toContain('waiting for another instance');
          return [both[rebuilding] as ServiceProcess, both[waiting] as ServiceProcess];
        },
        { withinMs: 60_000 },
      );
    }

    /** Sends more commands, stops the instances, and expects the judge to find nothing. */
    async function goOn(): Promise<void> {
      await flow.send(1, COMMANDS);
      await eventually(async () => expect(await flow.lag()).toBe(0), { withinMs: 120_000 });
      for (const instance of instances) await instance.stop();
      const verified = await runCli(environment(empty.url), directory, [
        'replay',
        'verify',
        '--json',
      ]);
      expect(JSON.parse(verified.stdout)).toMatchObject({ result: 'equal', counts: {} });
      expect(checkHistory(await flow.history(empty.url))).toEqual([]);
    }

    it('one of them rebuilds it, and the other waits and then goes on', async () => {
      const lock = await lockProducts(empty.url);
      const [rebuilding, waiting] = await startBoth();
      await lock.release();
      await Promise.all([rebuilding.ready(), waiting.ready()]);
      expect(
        [rebuilding, waiting].map((instance) => says(instance, 'The database is rebuilt')),
      ).toEqual([true, false]);
      await goOn();
    }, 300_000);

    it('when the one that rebuilds it is killed, the other finishes the rebuild', async () => {
      const lock = await lockProducts(empty.url);
      const [rebuilding, waiting] = await startBoth();
      await rebuilding.stop('SIGKILL');
      await eventually(
        async () => expect(await readiness(waiting)).not.toContain('waiting for another'),
        { withinMs: 30_000 },
      );
      await lock.release();
      await waiting.ready();
      expect([
        says(waiting, 'going on with its unfinished rebuild'),
        says(waiting, 'The database is rebuilt: 0 records'),
      ]).toEqual([true, true]);
      await goOn();
    }, 300_000);

    it('when the connections of both break, one of them still rebuilds it', async () => {
      const lock = await lockProducts(empty.url);
      const both = await startBoth();
      await lock.breakOthers();
      await lock.release();
      await Promise.all(both.map((instance) => instance.ready()));
      expect(both.filter((instance) => says(instance, 'The database is rebuilt'))).toHaveLength(1);
      await goOn();
    }, 300_000);

    it('when the one that waits is stopped, it ends at once', async () => {
      const lock = await lockProducts(empty.url);
      const [rebuilding, waiting] = await startBoth();
      const stoppedMs = Date.now();
      expect(await waiting.stop()).toBe(0);
      expect(Date.now() - stoppedMs).toBeLessThan(5_000);
      await lock.release();
      await rebuilding.ready();
      await goOn();
    }, 300_000);
  },
);

/**
 * Locks the products until the release: a rebuild gets as far as its last step. The session has a
 * name of its own, so that `breakOthers` leaves it alone.
 */
async function lockProducts(
  url: string,
): Promise<{ breakOthers(): Promise<void>; release(): Promise<void> }> {
  const database = await Database.open(url);
  await database.runMigrations();
  const { promise: released, resolve } = Promise.withResolvers<void>();
  const locked = Promise.withResolvers<Sql>();
  const holding = database.transaction(async (sql) => {
    await sql(`set idle_in_transaction_session_timeout = 0`);
    await sql(`set application_name = 'a test'`);
    await sql('lock table products in share row exclusive mode');
    locked.resolve(sql);
    await released;
  });
  const inLock = await locked.promise;
  return {
    breakOthers: async () => {
      await inLock(
        'select pg_terminate_backend(pid) from pg_stat_activity ' +
          "where application_name like 'allocation%' and datname = current_database()",
      );
    },
    release: async () => {
      resolve();
      await holding;
      await database.close();
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}
