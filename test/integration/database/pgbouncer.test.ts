// @module-tag db
// @module-tag slow

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { Database } from '../../../src/adapters/database/database.ts';
import { isUsedByOthers } from '../../../src/adapters/database/replay/rebuild-target.ts';
import { inTurn } from '../../../src/adapters/database/replay/rebuild-turn.ts';
import { TroubleError } from '../../../src/service-layer/errors.ts';
import { runCli } from '../../support/cli.ts';
import { postgresDatabase } from '../../support/databases.ts';
import { type PgBouncer, pgBouncerOrSkip } from '../../support/pgbouncer.ts';

const MODULES = new URL('../../../src/adapters/database/', import.meta.url).href;
const PROCESSES = 3;
/** How long the locks of a stopped process may last, with time for a busy machine. */
const LOCKED_MS = 12_000;

describe.skipIf(inject('postgresUrl') === null)('Behind PgBouncer in transaction mode', () => {
  let bouncer: PgBouncer | null;
  let place: Awaited<ReturnType<typeof postgresDatabase>>;
  let url: string;

  beforeAll(async () => {
    bouncer = await pgBouncerOrSkip(inject('postgresUrl') ?? '');
  });
  afterAll(() => bouncer?.stop());
  beforeEach(async ({ skip }) => {
    skip(!bouncer, 'there is no PgBouncer');
    place = await postgresDatabase();
    url = bouncer?.urlOf(place.url) ?? '';
  });
  afterEach(async () => {
    if (!bouncer) return;
    await (await Database.open(url)).close();
    await place.remove();
  });

  const never = new AbortController().signal;
  /** Starts a process that takes a turn, says so, and keeps the turn until the process dies. */
  const processInTurn = async () => {
    const program =
      `
      const { Database } = await import('${MODULES}database.ts');
      const { inTurn } = await import('${MODULES}replay/rebuild-turn.ts');
      const database = await Database.open(process.argv[1]);
      await inTurn(database, new AbortController().signal, ` +
      `() => new Promise(() => console.log('in turn')));`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program, url], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    return child;
  };

  it('only one of several processes that migrate at once applies the migrations', async () => {
    const runs = await Promise.all(
      Array.from({ length: PROCESSES }, () =>
        runCli({ DATABASE_URL: url }, process.cwd(), ['migrate', '--json']),
      ),
    );
    expect(runs.map(({ code, stderr }) => ({ code, stderr }))).toEqual(
      runs.map(() => ({ code: 0, stderr: '' })),
    );
    expect(runs.filter(({ stdout }) => JSON.parse(stdout).applied.length > 0)).toHaveLength(1);
  }, 60_000);

  it('a transaction that sleeps loses its locks', async () => {
    const database = await Database.open(url);
    await database.query('create table counters (id int primary key, n int)');
    await database.query('insert into counters values (1, 0)');
    const locked = Promise.withResolvers<void>();
    const woken = Promise.withResolvers<void>();
    const asleep = database.transaction(async (sql) => {
      await sql('update counters set n = 1');
      locked.resolve();
      await woken.promise;
      await sql('update counters set n = 2');
    });
    await locked.promise;
    const update = () =>
      database.transaction((sql) => sql.run('update counters set n = 3')).catch(() => 0);
    await expect.poll(update, { timeout: LOCKED_MS }).toBe(1);
    woken.resolve();
    await expect(asleep).rejects.toThrow(TroubleError);
    expect(await database.query('select n from counters')).toEqual([{ n: 3 }]);
  });

  it('a setting of a transaction ends with the transaction', async () => {
    const database = await Database.open(url);
    await database.transaction((sql) => sql('select 1'));
    const shown = await Promise.all(
      ['lock_timeout', 'statement_timeout', 'idle_in_transaction_session_timeout'].map((name) =>
        database.query(`show ${name}`),
      ),
    );
    expect(shown.flat().flatMap((row) => Object.values(row as object))).toEqual(['0', '0', '0']);
  });

  it('two callers that take turns work one after the other', async () => {
    const database = await Database.open(url);
    const done: string[] = [];
    const first = Promise.withResolvers<void>();
    const entered = Promise.withResolvers<void>();
    const work = inTurn(database, never, async () => {
      entered.resolve();
      await first.promise;
      done.push('first');
    });
    await entered.promise;
    const next = inTurn(database, never, async () => {
      done.push('next');
    });
    await expect
      .poll(() =>
        database.query("select 1 from pg_locks where locktype = 'advisory' and not granted"),
      )
      .toHaveLength(1);
    first.resolve();
    await Promise.all([work, next]);
    expect(done).toEqual(['first', 'next']);
  });

  it('the next caller gets the turn when the process that has the turn dies', async () => {
    const child = await processInTurn();
    const database = await Database.open(url);
    const turn = inTurn(database, never, async () => 'next');
    child.kill('SIGKILL');
    expect(await turn).toBe('next');
  });

  it('a process whose turn is taken away gets a TroubleError', async () => {
    const database = await Database.open(url);
    const turn = inTurn(database, never, async (signal) => {
      await database.query(
        "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted",
      );
      await once(signal, 'abort');
      throw signal.reason;
    });
    await expect(turn).rejects.toThrow(TroubleError);
  });

  it('a process that waits for a turn stops waiting when its signal aborts', async () => {
    const child = await processInTurn();
    const database = await Database.open(url);
    const closing = new AbortController();
    const turn = inTurn(database, closing.signal, async () => 'next');
    closing.abort(new Error('closing'));
    await expect(turn).rejects.toThrow('closing');
    child.kill('SIGKILL');
  });

  it('a process counts as a user of the database until the process ends', async () => {
    const child = await processInTurn();
    const database = await Database.open(url);
    expect(await isUsedByOthers(database)).toBe(true);
    child.kill('SIGKILL');
    await expect
      .poll(() => isUsedByOthers(database), { timeout: 30_000, interval: 500 })
      .toBe(false);
  }, 60_000);
});
