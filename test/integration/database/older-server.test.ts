// @module-tag db

import { execFile } from 'node:child_process';
import { rename, rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Database } from '../../../src/adapters/database/database.ts';
import { SqlLaneStore } from '../../../src/adapters/database/lanes/sql-lane-store.ts';
import { FailoverError } from '../../../src/service-layer/errors.ts';
import type { LanePosition } from '../../../src/service-layer/lane-store.ts';
import { eventually } from '../../support/eventually.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';

const WITHIN_MS = 60_000;

describe('A PostgreSQL server that comes back older on its timeline', {
  timeout: 5 * WITHIN_MS,
}, () => {
  let server: PostgresServer | null = null;
  let database: Database;
  let store: SqlLaneStore;
  const lane = (partition: number) => ({ topic: 'commands', partition });

  beforeEach(async () => {
    server = await startPostgres({ withFaults: true }).catch((reason: Error) => {
      if (process.env.CI) throw reason;
      process.stderr.write(`Tests on an older server are skipped: ${reason.message}\n`);
      return null;
    });
    if (!server) return;
    database = await Database.open(server.url);
    await database.runMigrations();
    store = new SqlLaneStore(database, () => {});
  }, 5 * WITHIN_MS);

  afterEach(async () => {
    await database?.close();
    await server?.stop();
  }, 5 * WITHIN_MS);

  const decide = async (partition: number, position: LanePosition) => {
    const next = { ...position, nextOffset: position.nextOffset + 1 };
    const progress = { next, outbox: [], publishedBelowOffset: 0, restsOn: [] };
    return (await store.transaction(lane(partition), position, async () => progress)).next;
  };
  // The pool may still hold connections that ended with the server.
  const reached = () => eventually(() => database.query('select 1'), { withinMs: WITHIN_MS });

  it('fences a lane whose row is the same before and after', async ({ skip }) => {
    const faults = server?.faults ?? skip();
    const [row] = await database.query<{ data_directory: string }>('show data_directory');
    const folder = row?.data_directory ?? '';
    const quiet = await decide(1, await store.readPosition(lane(1)));
    await faults.end('SIGINT');
    // Keep the owner of each file, because the server starts only with files of its own user.
    await promisify(execFile)('cp', ['-a', folder, `${folder}.older`]);
    await faults.restart();
    await reached();
    const again = await store.readPosition(lane(1));
    await decide(0, await store.readPosition(lane(0)));
    await faults.end('SIGQUIT');
    await rm(folder, { recursive: true });
    await rename(`${folder}.older`, folder);
    await faults.restart();
    await reached();
    expect([quiet.nextOffset, (await store.readPosition(lane(1))).nextOffset]).toEqual([1, 1]);
    await expect(decide(1, again)).rejects.toThrow(FailoverError);
    expect((await decide(1, await store.readPosition(lane(1)))).nextOffset).toBe(2);
  });
});
