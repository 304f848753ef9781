// @module-tag db

import { once } from 'node:events';
import { chmod, chown } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readConfig } from '../../../src/config.ts';
import { openDatabase } from '../../../src/connections.ts';
import { eventually } from '../../support/eventually.ts';
import { ServiceProcess } from '../../support/service-process.ts';
import { expectOneLine, outcomeOf, Shell } from '../../support/shell.ts';

// Each test starts several processes, on a machine that may have other work.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const NOBODY = 65_534;

let shell: Shell;

beforeEach(async () => {
  shell = await Shell.open();
});

afterEach(() => shell.close());

describe('start', () => {
  it.each(['127.0.0.1:1', 'broker.invalid:9092'])(
    'waits for a broker that is not there, says so, and stops with SIGTERM: %s',
    async (brokers) => {
      await using service = ServiceProcess.spawn(
        { ...shell.environment, KAFKA_BROKERS: brokers },
        shell.directory,
      );
      await eventually(
        () => expect(service.output.join('\n')).toContain(`Waiting for the broker (${brokers})`),
        { withinMs: 20_000 },
      );
      expect(await service.stop()).toBe(0);
    },
    30_000,
  );

  it('stops with SIGTERM and exit code 0', async () => {
    const service = await ServiceProcess.start(shell.environment, shell.directory);
    expect(await service.stop('SIGTERM')).toBe(0);
  });

  it('names HTTP_PORT when the port is in use', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const HTTP_PORT = String((server.address() as AddressInfo).port);
    const result = await outcomeOf(shell.launch(['start'], { HTTP_PORT }));
    server.close();
    expect(result).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(`${HTTP_PORT}.*in use.*HTTP_PORT`),
    });
    expectOneLine(result);
  });

  it('refuses a file that cannot be opened', async () => {
    const DATABASE_URL = 'sqlite:////proc/no/such.db';
    const result = await outcomeOf(shell.launch(['start'], { DATABASE_URL, HTTP_PORT: '0' }));
    expect(result.code).toBe(1);
    expectOneLine(result);
  }, 30_000);

  it('refuses a file that it may not write', async () => {
    await shell.expectAnswer('migrate');
    const file = join(shell.directory, 'allocation.db');
    await chmod(file, 0o444);
    await chmod(shell.directory, 0o755);
    const isRoot = process.getuid?.() === 0;
    // Root may write every file, so another user runs the command.
    if (isRoot) await chown(shell.directory, NOBODY, NOBODY);
    const result = await outcomeOf(
      shell.launch(['start'], { HTTP_PORT: '0' }, isRoot ? { uid: NOBODY } : {}),
    );
    expect(result).toMatchObject({ code: 1, stderr: expect.stringMatching(/read-?only|writ/i) });
    expectOneLine(result);
  });

  it('refuses a database from a newer version', async () => {
    await shell.expectAnswer('migrate');
    const database = await openDatabase(readConfig(shell.environment));
    await database.query(
      `insert into mikro_orm_migrations (name, executed_at)
       values ('migration-29991231000000', '2999-12-31')`,
    );
    await database.close();
    const result = await outcomeOf(shell.launch(['start'], { HTTP_PORT: '0' }));
    expect(result).toMatchObject({ code: 1, stderr: expect.stringContaining('newer version') });
    expectOneLine(result);
  });
});
