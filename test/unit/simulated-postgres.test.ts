// @module-tag db

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Database } from '../../src/adapters/database/database.ts';
import type { OpenTransaction, Result } from '../simulation/open-transactions.ts';
import { Backend, type Server } from '../simulation/postgres-backend.ts';
import { RowLocks } from '../simulation/row-locks.ts';
import { DatabaseFile } from '../simulation/simulated-database.ts';
import { World } from '../simulation/world.ts';

/* The simulated server must behave as PostgreSQL does at READ COMMITTED. */

const LOCK = 'select version from products where sku = $1 order by sku for update';
const CHANGE = 'update products set version = version + 1 where sku = $1';
const ADD = 'insert into products (sku, version) values ($1, 1)';
const ADD_BATCH =
  'insert into batches (reference, sku, quantity, allocated_quantity) ' +
  "values ($1, 'LAMP', 1, 0) returning id";

describe('The simulated PostgreSQL', () => {
  let folder: string;
  let file: DatabaseFile;
  let world: World;
  let server: Server;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'allocation-simulated-'));
    const path = join(folder, 'stock.db');
    const database = await Database.open(`sqlite:///${path}`);
    await database.runMigrations();
    await database.close();
    file = new DatabaseFile(path);
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  beforeEach(() => {
    file.empty();
    world = new World(1);
    const locks = new RowLocks<OpenTransaction>();
    file.transactions.begin(locks, '');
    const rates = { serializationFailureRate: 0, commitLossRate: 0 };
    server = {
      world,
      transactions: file.transactions,
      locks,
      ...rates,
      happens: () => {},
      commits: () => {},
    };
  });

  afterEach(() => file.transactions.close());

  /**
   * Opens a connection. A statement gives its rows, or the SQLSTATE of its error. Both are
   * undefined while the statement waits.
   */
  function session() {
    const backend = new Backend(server, () => {});
    return (statement: string, ...parameters: readonly unknown[]) => {
      const sent: { rows?: Result['rows']; code?: string } = {};
      backend.execute(statement, parameters, (outcome) => {
        if ('error' in outcome)
          sent.code = (outcome.error as Error & { readonly code: string }).code;
        else sent.rows = outcome.result.rows;
      });
      return sent;
    };
  }

  function begin() {
    const run = session();
    run('begin');
    return run;
  }

  const pass = (ms: number) => world.run(() => false, ms);

  it('shows each statement what was committed before it', () => {
    const [one, other] = [begin(), begin()];
    one(ADD, 'LAMP');
    expect(other('select sku from products').rows).toEqual([]);
    one('commit');
    expect(other('select sku from products').rows).toEqual([{ sku: 'LAMP' }]);
  });

  it('lets a change wait for an uncommitted change of the row, and keeps both', () => {
    commit(ADD, 'LAMP');
    const [one, other] = [begin(), begin()];
    one(CHANGE, 'LAMP');
    const late = other(CHANGE, 'LAMP');
    expect(late.rows).toBeUndefined();
    one('commit');
    expect(late.rows).toEqual([]);
    other('commit');
    expect(session()('select version from products').rows).toEqual([{ version: 3 }]);
  });

  it('keeps nothing of a transaction that rolls back while another one commits', () => {
    const [one, other] = [begin(), begin()];
    one(ADD, 'LAMP');
    other(ADD, 'TABLE');
    one('rollback');
    other('commit');
    expect(session()('select sku from products').rows).toEqual([{ sku: 'TABLE' }]);
  });

  it('shows a statement that waited for a row its newest version, and no new rows', () => {
    commit(ADD, 'LAMP');
    const [one, other] = [begin(), begin()];
    one(CHANGE, 'LAMP');
    one(ADD, 'TABLE');
    const late = other('select sku, version from products order by sku for update');
    one('commit');
    expect(late.rows).toEqual([{ sku: 'LAMP', version: 2 }]);
    expect(other('select sku from products order by sku for update').rows).toHaveLength(2);
  });

  it('fails an insert when the uncommitted duplicate that it waits for commits', () => {
    const [one, other] = [begin(), begin()];
    one(ADD, 'LAMP');
    const late = other(ADD, 'LAMP');
    one('commit');
    expect(late.code).toBe('23505');
  });

  it('completes an insert when the duplicate that it waits for rolls back', () => {
    const [one, other] = [begin(), begin()];
    one(ADD, 'LAMP');
    const late = other(ADD, 'LAMP');
    one('rollback');
    expect(late.rows).toEqual([]);
  });

  it('gives up waiting for a lock after two seconds', async () => {
    commit(ADD, 'LAMP');
    const [one, other] = [begin(), begin()];
    one(LOCK, 'LAMP');
    const late = other(LOCK, 'LAMP');
    await pass(1_900);
    expect(late.code).toBeUndefined();
    await pass(200);
    expect(late.code).toBe('55P03');
  });

  it('aborts one of two transactions that wait for each other', async () => {
    for (const sku of ['LAMP', 'TABLE']) commit(ADD, sku);
    const [one, other] = [begin(), begin()];
    one(LOCK, 'LAMP');
    other(LOCK, 'TABLE');
    const first = one(LOCK, 'TABLE');
    const second = other(LOCK, 'LAMP');
    await pass(1_100);
    expect([first.code, second.code].filter(Boolean)).toEqual(['40P01']);
    expect([first.rows, second.rows].filter(Boolean)).toHaveLength(1);
  });

  it('refuses statements of a failed transaction until it ends', () => {
    commit(ADD, 'LAMP');
    const run = begin();
    expect(run(ADD, 'LAMP').code).toBe('23505');
    expect(run('select sku from products').code).toBe('25P02');
    run('commit');
    expect(run('select sku from products').rows).toHaveLength(1);
  });

  it('gives no id twice, even after a rollback', () => {
    const [one, other] = [begin(), begin()];
    const ids = [one(ADD_BATCH, 'a'), other(ADD_BATCH, 'b')].map(({ rows }) => rows?.[0]);
    one('rollback');
    ids.push(other(ADD_BATCH, 'c').rows?.[0]);
    expect(ids).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]);
  });

  it('releases the locks of a transaction that is idle for four seconds', async () => {
    commit(ADD, 'LAMP');
    begin()(LOCK, 'LAMP');
    await pass(4_100);
    expect(begin()(LOCK, 'LAMP').rows).toHaveLength(1);
  });

  it('wakes a waiting transaction once, even if the one before releases at once', () => {
    const locks = new RowLocks<object>();
    const [first, second, third] = [{}, {}, {}];
    let woken = 0;
    locks.take(first, 'row');
    locks.wait(second, 'row', () => {
      locks.take(second, 'row');
      locks.release(second);
    });
    locks.wait(third, 'row', () => {
      woken += 1;
    });
    locks.release(first);
    expect(woken).toBe(1);
  });

  function commit(statement: string, ...parameters: readonly unknown[]): void {
    const run = begin();
    run(statement, ...parameters);
    run('commit');
  }
});
