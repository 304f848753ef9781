// @module-tag db

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EmbeddedFlow } from '../support/embedded-flow.ts';
import { eventually } from '../support/eventually.ts';
import { ServiceProcess } from '../support/service-process.ts';

const hasLoggedReady = ({ output }: ServiceProcess) =>
  output.some((line) => line.includes('"Ready'));

describe('"Ready", on the embedded log', () => {
  let directory: string;
  let file: string;
  let flow: EmbeddedFlow;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-'));
    file = join(directory, 'allocation.db');
    flow = new EmbeddedFlow(`sqlite:///${file}`);
  });

  afterEach(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  const environment = () => ({ ...flow.names(), DATABASE_URL: `sqlite:///${file}` });
  const changeDatabase = (statement: string) => {
    const database = new SqliteDatabase(file);
    database.exec(statement);
    database.close();
  };

  it('is never logged by a service that refuses its lanes, and readiness says why', async () => {
    await using first = await ServiceProcess.start(environment(), directory);
    await flow.connect();
    await flow.bringStock();
    await flow.disconnect();
    expect(await first.stop()).toBe(0);
    changeDatabase('delete from source_positions');

    await using second = ServiceProcess.spawn(environment(), directory);
    await second.listens();
    await eventually(
      () =>
        expect(second.output.join('\n')).toMatch(
          /Partition \d stopped: The database stands at offset 0/,
        ),
      {
        withinMs: 30_000,
      },
    );
    const response = await fetch(`${second.url}/readyz`);
    expect([response.status, await response.text()]).toEqual([
      503,
      expect.stringContaining('the database is older than the topics'),
    ]);
    expect(await second.stop()).toBe(0);
    expect(hasLoggedReady(second)).toBe(false);
  }, 90_000);

  it('is logged when all lanes work, and by a second instance that stands by', async () => {
    await using first = await ServiceProcess.start(environment(), directory);
    expect(first.output.filter((line) => /"Partition \d+ processing"/.test(line))).toHaveLength(4);
    await using second = await ServiceProcess.start(environment(), directory);
    // On a busy machine the database may answer the first readiness check too late.
    for (const { url } of [first, second]) {
      await eventually(async () => expect((await fetch(`${url}/readyz`)).status).toBe(200), {
        withinMs: 30_000,
      });
    }
    expect([await second.stop(), await first.stop()]).toEqual([0, 0]);
  }, 90_000);
});
