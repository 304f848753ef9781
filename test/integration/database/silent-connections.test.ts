// @module-tag db
// @module-tag slow

import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { asLongWork } from '../../../src/adapters/database/connection/long-work.ts';
import { Database } from '../../../src/adapters/database/database.ts';
import { TroubleError } from '../../../src/service-layer/errors.ts';
import { postgresDatabase } from '../../support/databases.ts';
import { eventually } from '../../support/eventually.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';

const TIMEOUT_MS = 1_000;
/** Longer than all time-outs together, with time for a busy machine. */
const SLOW_MS = 8_000;
const CONNECTIONS = 5;
/** One heartbeat and its time-out, with time for a busy machine. */
const LOST_WITHIN_MS = 30_000;

/** Counts the sessions that run a statement which begins with `statement`. */
async function waitingFor(database: Database, statement: string): Promise<number> {
  const rows = await database.query(
    'select pid from pg_stat_activity where datname = current_database() ' +
      `and state = 'active' and query like ?`,
    [`${statement}%`],
  );
  return rows.length;
}

describe.skipIf(inject('postgresUrl') === null)(
  'A database whose open connections go silent',
  () => {
    let place: Awaited<ReturnType<typeof postgresDatabase>>;
    let proxy: TcpProxy;
    let database: Database;

    beforeEach(async () => {
      place = await postgresDatabase();
      const url = new URL(place.url);
      proxy = await TcpProxy.open(Number(url.port));
      url.hostname = '127.0.0.1';
      url.port = String(proxy.port);
      database = await Database.open(url.href, {
        poolSize: 2 * CONNECTIONS,
        timeoutMs: TIMEOUT_MS,
      });
    });

    afterEach(async () => {
      await database.close();
      await proxy.close();
      await place.remove();
    });

    /** Opens several connections, and leaves all of them idle. */
    const fillPool = () =>
      Promise.all(
        Array.from({ length: CONNECTIONS }, () => database.transaction((sql) => sql('select 1'))),
      );

    it('fails the transaction that waits for an answer, and then works again', async () => {
      const startedMs = performance.now();
      const hanging = database.transaction(async (sql) => {
        await sql('select 1');
        proxy.silence();
        await sql('select 2');
      });
      await expect(hanging).rejects.toThrow(TroubleError);
      expect(performance.now() - startedMs).toBeLessThan(SLOW_MS);
      expect(await database.transaction((sql) => sql('select 3 as n'))).toEqual([{ n: 3 }]);
    });

    it('fails a statement outside of a transaction, and then works again', async () => {
      await database.query('select 1');
      proxy.silence();
      await expect(database.query('select 1')).rejects.toThrow(
        'PostgreSQL has not answered for 2 s',
      );
      expect(await database.query('select 3 as n')).toEqual([{ n: 3 }]);
    });

    it('gives up all idle connections at the first time-out', async () => {
      await fillPool();
      proxy.silence();
      await expect(database.query('select 1')).rejects.toThrow(TroubleError);
      const startedMs = performance.now();
      for (let times = 0; times < CONNECTIONS; times += 1) await database.query('select 1');
      expect(performance.now() - startedMs).toBeLessThan(TIMEOUT_MS);
    });

    it('can be closed within seconds', async () => {
      await fillPool();
      proxy.silence();
      const startedMs = performance.now();
      await database.close();
      expect(performance.now() - startedMs).toBeLessThan(SLOW_MS);
    });

    it('frees the rows that the lost transaction locked', async () => {
      await database.query('create table counters (id int primary key, n int)');
      await database.query('insert into counters values (1, 0)');
      const increase = 'update counters set n = n + 1';
      const hanging = database.transaction(async (sql) => {
        await sql(increase);
        proxy.silence();
        await sql('select 1');
      });
      await expect(hanging).rejects.toThrow(TroubleError);
      await expect
        .poll(() => database.transaction((sql) => sql.run(increase)).catch(() => 0), {
          timeout: SLOW_MS,
        })
        .toBe(1);
      expect(await database.query('select n from counters')).toEqual([{ n: 1 }]);
    });

    it('is told apart from a slow statement, which the connection survives', async () => {
      const pid = 'select pg_backend_pid() as pid';
      const [before] = await database.query<{ pid: number }>(pid);
      await expect(database.transaction((sql) => sql('select pg_sleep(3)'))).rejects.toThrow(
        'statement timeout',
      );
      expect(await database.query(pid)).toEqual([before]);
    });

    it('is told apart from a slow question, which the server does not go on with', async () => {
      await expect(database.read('select pg_sleep(20)')).rejects.toThrow('statement timeout');
      expect(await waitingFor(database, 'select pg_sleep(20)')).toBe(0);
    });

    it('is told apart from long work, which goes on', async () => {
      await asLongWork(async () => {
        await database.query('select pg_sleep(2.5)');
        await database.transaction((sql) => sql('select pg_sleep(2.5)'));
      });
    });

    it('fails a migration within seconds, and applies the migration on a retry', async () => {
      const blocker = await Database.open(place.url);
      const { promise: isOver, resolve: end } = Promise.withResolvers<void>();
      try {
        const { promise: isLocked, resolve: locked } = Promise.withResolvers<void>();
        // The first migration creates the same table, and waits for this transaction.
        const blocking = blocker.transaction(async (sql) => {
          await sql('set local idle_in_transaction_session_timeout = 0');
          await sql('create table products (id int)');
          locked();
          await isOver;
          throw new Error('over');
        });
        const released = expect(blocking).rejects.toThrow('over');
        await isLocked;
        const failed = expect(database.runMigrations()).rejects.toThrow(TroubleError);
        await eventually(async () => expect(await waitingFor(blocker, 'create table')).toBe(1), {
          withinMs: SLOW_MS,
        });
        proxy.silence();
        const startedMs = performance.now();
        await failed;
        expect(performance.now() - startedMs).toBeLessThan(LOST_WITHIN_MS);
        end();
        await released;
      } finally {
        end();
        await blocker.close();
      }
      // The server keeps the lost locks until the sessions have ended there.
      await eventually(
        async () => expect((await database.runMigrations()).length).toBeGreaterThan(0),
        { withinMs: LOST_WITHIN_MS },
      );
    }, 120_000);

    it('fails long work within seconds', async () => {
      const watcher = await Database.open(place.url);
      try {
        const working = database.longWork(() => database.query(`select pg_sleep(60)`));
        const failed = expect(working).rejects.toThrow(TroubleError);
        await eventually(async () => expect(await waitingFor(watcher, 'select pg_sleep')).toBe(1), {
          withinMs: SLOW_MS,
        });
        proxy.silence();
        const startedMs = performance.now();
        await failed;
        expect(performance.now() - startedMs).toBeLessThan(LOST_WITHIN_MS);
        await eventually(async () => expect(await waitingFor(watcher, 'select pg_sleep')).toBe(0), {
          withinMs: SLOW_MS,
        });
      } finally {
        await watcher.close();
      }
    }, 120_000);

    it('lets a start pass its migrations within seconds when none is left to run', async () => {
      await database.runMigrations();
      await fillPool();
      proxy.silence();
      const startedMs = performance.now();
      await database.runMigrations().catch(() => database.runMigrations());
      expect(performance.now() - startedMs).toBeLessThan(SLOW_MS);
    });

    it('is told apart from a transaction whose work waits for something else', async () => {
      await database.transaction(async (sql) => {
        await sql('select 1');
        await sleep(2.5 * TIMEOUT_MS);
        await sql('select 2');
      });
    });
  },
);
