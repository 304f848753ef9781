import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { Database } from '../../../src/adapters/database/database.ts';
import { asLongWork } from '../../../src/adapters/database/statement-timeout.ts';
import { TroubleError } from '../../../src/service-layer/unit-of-work.ts';
import { postgresDatabase } from '../../support/databases.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';

const TIMEOUT_MS = 1_000;
/** Beyond what the time-outs add up to, on a machine that may have other work. */
const SLOW_MS = 8_000;
const CONNECTIONS = 5;

describe.skipIf(inject('postgresUrl') === null)('A database whose open connections go silent', () => {
  let place: Awaited<ReturnType<typeof postgresDatabase>>;
  let proxy: TcpProxy;
  let database: Database;

  beforeEach(async () => {
    place = await postgresDatabase();
    const url = new URL(place.url);
    proxy = await TcpProxy.open(Number(url.port));
    url.hostname = '127.0.0.1';
    url.port = String(proxy.port);
    database = await Database.open(url.href, { poolSize: 2 * CONNECTIONS, timeoutMs: TIMEOUT_MS });
  });

  afterEach(async () => {
    await database.close();
    await proxy.close();
    await place.remove();
  });

  /** Several connections, all idle in the end. */
  const fillPool = () => Promise.all(Array.from({ length: CONNECTIONS }, () => database.transaction((sql) => sql('select 1'))));

  it('fails the transaction that waits for an answer, and works again', async () => {
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

  it('fails a statement outside of transactions', async () => {
    await database.query('select 1');
    proxy.silence();
    await expect(database.query('select 1')).rejects.toThrow('PostgreSQL has not answered for 2 s');
    expect(await database.query('select 3 as n')).toEqual([{ n: 3 }]);
  });

  it('gives all idle connections up at the first time-out', async () => {
    await fillPool();
    proxy.silence();
    await expect(database.query('select 1')).rejects.toThrow(TroubleError);
    const startedMs = performance.now();
    for (let times = 0; times < CONNECTIONS; times += 1) await database.query('select 1');
    expect(performance.now() - startedMs).toBeLessThan(TIMEOUT_MS);
  });

  it('can be closed', async () => {
    await fillPool();
    proxy.silence();
    const startedMs = performance.now();
    await database.close();
    expect(performance.now() - startedMs).toBeLessThan(SLOW_MS);
  });

  it('frees the rows that the lost transaction has locked', async () => {
    await database.query('create table counters (id int primary key, n int)');
    await database.query('insert into counters values (1, 0)');
    const increase = 'update counters set n = n + 1';
    const hanging = database.transaction(async (sql) => {
      await sql(increase);
      proxy.silence();
      await sql('select 1');
    });
    await expect(hanging).rejects.toThrow(TroubleError);
    await expect.poll(() => database.transaction((sql) => sql.run(increase)).catch(() => 0), { timeout: SLOW_MS }).toBe(1);
    expect(await database.query('select n from counters')).toEqual([{ n: 1 }]);
  });

  it('is told from a slow statement, which the server ends and the connection survives', async () => {
    const pid = 'select pg_backend_pid() as pid';
    const [before] = await database.query<{ pid: number }>(pid);
    await expect(database.transaction((sql) => sql('select pg_sleep(3)'))).rejects.toThrow('statement timeout');
    expect(await database.query(pid)).toEqual([before]);
  });

  it('is told from long work, which is not cut', async () => {
    await asLongWork(async () => {
      await database.query('select pg_sleep(2.5)');
      await database.transaction((sql) => sql('select pg_sleep(2.5)'));
    });
  });

  it('is told from a transaction whose work waits for something else', async () => {
    await database.transaction(async (sql) => {
      await sql('select 1');
      await sleep(2.5 * TIMEOUT_MS);
      await sql('select 2');
    });
  });
});
