// @module-tag db
// @module-tag kafka
// @module-tag slow

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { Database } from '../../src/adapters/database/database.ts';
import { runCli } from '../support/cli.ts';
import { CommandFlow, LANES, workingLanes } from '../support/command-flow.ts';
import { eventually } from '../support/eventually.ts';
import { checkHistory } from '../support/judge/check-history.ts';
import { type PostgresServer, startFormerPostgres } from '../support/postgres.ts';
import { FORMER_POSTGRES_VERSIONS } from '../support/postgres-packages.ts';
import { ServiceProcess } from '../support/service-process.ts';

const COMMANDS = 1_000;
const PATIENCE_MS = 90_000;
const brokers = inject('kafkaBrokers');

describe.skipIf(!brokers).each(FORMER_POSTGRES_VERSIONS)('on PostgreSQL %s', (version) => {
  let directory: string;
  let server: PostgresServer | null;
  let flow: CommandFlow;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-'));
    server = await startFormerPostgres(version).catch((reason: Error) => {
      if (process.env.CI) throw reason;
      process.stderr.write(`PostgreSQL ${version} is not tested: ${reason.message}\n`);
      return null;
    });
    flow = new CommandFlow(brokers ?? '');
    await flow.connect();
  }, 240_000);

  afterEach(async () => {
    await flow.disconnect();
    await server?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const createDatabase = async (name: string) => {
    const database = await Database.open(server?.url ?? '');
    await database.query(`create database ${name}`).finally(() => database.close());
    const url = new URL(server?.url ?? '');
    url.pathname = `/${name}`;
    return url.href;
  };

  it('each command is answered once despite a kill, and a rebuild gives the same', async ({
    skip,
  }) => {
    if (!server) return skip();
    const environment = flow.environment(brokers ?? '', await createDatabase('first'));
    const killed = await ServiceProcess.start(environment, directory);
    await workingLanes(killed.url, LANES);
    await flow.bringStock();
    const sending = flow.send(1, COMMANDS);
    await eventually(async () => expect(await flow.lag()).toBeGreaterThan(0));
    await killed.stop('SIGKILL');
    await sending;
    await using service = await ServiceProcess.start(environment, directory);
    await eventually(async () => expect(await flow.lag()).toBe(0), { withinMs: PATIENCE_MS });
    expect(await service.stop()).toBe(0);
    expect(checkHistory(await flow.history(environment.DATABASE_URL ?? ''))).toEqual([]);

    const rebuilt = { ...environment, DATABASE_URL: await createDatabase('second') };
    const rebuild = ['replay', 'rebuild', '--into', rebuilt.DATABASE_URL, '--execute'];
    expect(await runCli(rebuilt, directory, rebuild)).toMatchObject({ code: 0 });
    expect(await runCli(rebuilt, directory, ['replay', 'verify'])).toMatchObject({ code: 0 });
  }, 300_000);
});
