// @module-tag db
// @module-tag slow

import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { runCli } from '../support/cli.ts';
import { onServer } from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';
import { HandshakeServer, WRONG_PASSWORD } from '../support/postgres-handshake.ts';
import { ServiceProcess } from '../support/service-process.ts';

vi.setConfig({ testTimeout: 120_000 });

const SECRET = 'pa55-w0rd-of-the-test';
const CRASHING = fileURLToPath(new URL('../support/crashing-service.ts', import.meta.url));
/** The commands that open the database whatever the topics hold. */
const USES_THE_DATABASE = /^(start|migrate|show|replay (verify|offsets|snapshot))/;

describe('No command prints the password of its url', () => {
  let directory: string;
  let server: HandshakeServer;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-secrets-'));
    server = await HandshakeServer.open(WRONG_PASSWORD);
    // The commands find an embedded log, and go on to the database.
    const args = ['publish', 'AllocateOrder', 'orderid=order-1', 'sku=LAMP', 'qty=1'];
    expect(await runCli({}, directory, args)).toMatchObject({ code: 0 });
  }, 120_000);
  afterAll(async () => {
    await server.close();
    await rm(directory, { recursive: true, force: true });
  });

  it.each([
    ['start'],
    ['migrate'],
    ['publish', 'AllocateOrder', 'orderid=order-1', 'sku=LAMP', 'qty=1'],
    ['tail', '--until-end', '--from', 'beginning'],
    ['lag'],
    ['show', 'order', 'order-1'],
    ['show', 'product', 'LAMP'],
    ['dead-letters', 'list'],
    ['dead-letters', 'show', 'some-id'],
    ['dead-letters', 'redrive', '--sku', 'LAMP', '--execute'],
    ['dead-letters', 'discard', 'some-id', '--execute'],
    ['replay', 'verify'],
    ['replay', 'commands'],
    ['replay', 'offsets', '--publish', '--execute'],
    ['replay', 'snapshot', '--into', 'sqlite:///./copy.db', '--execute'],
  ])('%s %s, when the server refuses the password or cannot be reached', async (...words) => {
    const args = words.filter(Boolean);
    for (const port of [server.port, 1]) {
      const DATABASE_URL = `postgresql://user:${SECRET}@127.0.0.1:${port}/name`;
      const { stdout, stderr } = await runCli({ DATABASE_URL, HTTP_PORT: '0' }, directory, args);
      if (USES_THE_DATABASE.test(args.join(' ')))
        expect(stderr).toContain('Cannot use the PostgreSQL database name at 127.0.0.1');
      expect(stdout + stderr).not.toContain(SECRET);
    }
  });

  it.each(['rebuild', 'snapshot', 'verify'])(
    'replay %s, when the password stands in the url of its option',
    async (command) => {
      const option = command === 'verify' ? '--database' : '--into';
      const url = `postgresql://user:${SECRET}@127.0.0.1:${server.port}/name`;
      const args = ['replay', command, option, url];
      const { code, stdout, stderr } = await runCli({}, directory, args);
      expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('error: ') });
      expect(stdout + stderr).not.toContain(SECRET);
    },
  );

  it.skipIf(process.platform !== 'linux')('and `ps` shows none either', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const url = `postgresql://user:${SECRET}@127.0.0.1:${port}/name`;
    const args = ['replay', 'verify', '--database', url];
    let looking: Promise<void> | undefined;
    await runCli({}, directory, args, (child) => {
      looking = eventually(
        async () =>
          expect(await readFile(`/proc/${child.pid}/cmdline`, 'utf8')).toMatch(
            /^allocation replay verify --database \*\*\*\0*$/,
          ),
        { withinMs: 60_000 },
      ).finally(() => child.kill());
    });
    await looking;
    silent.close();
  });
});

describe.skipIf(inject('postgresUrl') === null)('A service that reads its url from a file', () => {
  it('shows its password nowhere: log, readiness, metrics, title, crash', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'allocation-password-'));
    const server = inject('postgresUrl') ?? '';
    const name = `marked_${process.pid}_${Date.now()}`;
    await onServer(server, `create role ${name} login password '${SECRET}'`);
    await onServer(server, `create database ${name} owner ${name}`);
    const url = Object.assign(new URL(server), {
      username: name,
      password: SECRET,
      pathname: `/${name}`,
    });
    const file = join(directory, 'url');
    await writeFile(file, `${url.href}\n`);
    const environment = { DATABASE_URL_FILE: file, DATABASE_TIMEOUT_MS: '3000' };
    try {
      await using service = ServiceProcess.spawn(environment, directory, [
        process.execPath,
        CRASHING,
      ]);
      await service.ready();
      await onServer(server, `alter role ${name} password 'another'`);
      await onServer(
        server,
        `select pg_terminate_backend(pid) from pg_stat_activity where usename = '${name}'`,
      );
      let shown = '';
      await eventually(
        async () => {
          const readiness = await fetch(`${service.url}/readyz`);
          shown = await readiness.text();
          expect(readiness.status).toBe(503);
          expect(shown).toContain(`as user \\"${name}\\": the server refuses the password`);
        },
        { withinMs: 60_000 },
      );
      shown += await (await fetch(`${service.url}/metrics`)).text();
      shown += await (await fetch(`${service.url}/products/LAMP`)).text();
      shown += await readFile(`/proc/${service.pid}/cmdline`, 'utf8').catch(() => '');
      process.kill(service.pid, 'SIGUSR2');
      await eventually(() => expect(service.exitCode).not.toBeNull(), { withinMs: 60_000 });
      expect(service.output.join('\n')).toContain('refuses the password');
      expect(shown + service.output.join('\n')).not.toContain(SECRET);
    } finally {
      await onServer(server, `drop database ${name} with (force)`);
      await onServer(server, `drop role ${name}`);
      await rm(directory, { recursive: true, force: true });
    }
  }, 240_000);
});
