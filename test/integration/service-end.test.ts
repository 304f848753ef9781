// @module-tag db
// @module-tag slow

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Database } from '../../src/adapters/database/database.ts';
import { runCli } from '../support/cli.ts';
import { eventually } from '../support/eventually.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { SilentServer } from '../support/silent-server.ts';

const DYING = fileURLToPath(new URL('../support/dying-thread-service.ts', import.meta.url));
const PATIENCE_MS = 60_000;
const JSON_TYPE = { 'content-type': 'application/json' };

/**
 * Leaves the database as a failover to an empty standby does. The embedded log, in the same file,
 * keeps everything.
 */
async function loseCommits(url: string): Promise<void> {
  const database = await Database.open(url);
  await database.transaction(async (sql) => {
    for (const table of [
      'order_lines',
      'batches',
      'products',
      'processed_commands',
      'outbox',
      'source_positions',
    ])
      await sql(`delete from ${table}`);
  });
  await database.close();
}

/** Settings with which a process waits for the server for ten minutes. */
const waitingFor = ({ port }: SilentServer) => ({
  DATABASE_URL: `postgresql://user:password@127.0.0.1:${port}/name`,
  DATABASE_TIMEOUT_MS: '600000',
});

describe('The process of the service', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it('ends with exit code 0 on SIGTERM while it waits for the database', async () => {
    await using server = await SilentServer.open();
    await using service = ServiceProcess.spawn(waitingFor(server), directory);
    await eventually(() => expect(server.accepted).toBe(1), { withinMs: PATIENCE_MS });
    // Without a handler, the first process of a container would ignore the signal.
    expect([await service.stop(), service.signal]).toEqual([0, null]);
  }, 120_000);

  it('that only migrates ends with exit code 143 on SIGTERM while it waits', async () => {
    await using server = await SilentServer.open();
    const migrating = runCli(waitingFor(server), directory, ['migrate'], (child) => {
      void eventually(() => expect(server.accepted).toBe(1), { withinMs: PATIENCE_MS }).finally(
        () => child.kill('SIGTERM'),
      );
    });
    expect(await migrating).toMatchObject({ code: 143 });
  }, 120_000);

  it("ends with an error when SQLite's thread dies", async () => {
    const environment = { DATABASE_URL: `sqlite:///${join(directory, 'allocation.db')}` };
    await using service = ServiceProcess.spawn(environment, directory, [process.execPath, DYING]);
    await service.ready();
    process.kill(service.pid, 'SIGUSR2');
    await eventually(() => expect(service.exitCode).toBe(1), { withinMs: PATIENCE_MS });
    expect(service.output.join('\n')).toContain("The database's thread has died");
  }, 120_000);

  it('ends when its database becomes older than the topics, and recovers afterwards', async () => {
    const url = `sqlite:///${join(directory, 'allocation.db')}`;
    await using service = ServiceProcess.spawn(
      { DATABASE_URL: url, AUTO_RECOVER: 'true' },
      directory,
    );
    await service.ready();
    const createBatch = async (sku: string) => {
      const body = JSON.stringify({
        id: sku,
        type: 'CreateBatch',
        reference: sku,
        sku,
        quantity: 1,
        eta: null,
      });
      expect(
        (await fetch(`${service.url}/commands`, { method: 'POST', headers: JSON_TYPE, body }))
          .status,
      ).toBe(202);
    };
    const knows = async ({ url: at }: ServiceProcess, sku: string) => {
      await eventually(
        async () => expect((await fetch(`${at}/products/${sku}`)).status).toBe(200),
        { withinMs: PATIENCE_MS },
      );
    };
    await createBatch('LAMP');
    await knows(service, 'LAMP');
    await loseCommits(url);
    await createBatch('CHAIR');
    await eventually(() => expect(service.exitCode).toBe(1), { withinMs: PATIENCE_MS });
    expect(service.output.join('\n')).toContain('The database has become older than the topics');
    await using next = ServiceProcess.spawn({ DATABASE_URL: url, AUTO_RECOVER: 'true' }, directory);
    await next.ready();
    await knows(next, 'LAMP');
    await knows(next, 'CHAIR');
  }, 240_000);
});
