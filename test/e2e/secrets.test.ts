// @module-tag db
// @module-tag slow

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { runCli } from '../support/cli.ts';
import { onServer } from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';
import { OtlpReceiver } from '../support/otlp-receiver.ts';
import { RefusingPostgres, SECRET, urlAt } from '../support/refusing-postgres.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { SilentServer } from '../support/silent-server.ts';

vi.setConfig({ testTimeout: 120_000 });

const CRASHING = fileURLToPath(new URL('../support/crashing-service.ts', import.meta.url));
/** The commands that open the database whatever the topics hold. */
const USES_THE_DATABASE = /^(migrate|show|replay (verify|offsets|snapshot))/;

describe('No command prints the password of its url', () => {
  let postgres: RefusingPostgres;
  beforeAll(async () => {
    postgres = await RefusingPostgres.open();
  }, 120_000);
  afterAll(() => postgres[Symbol.asyncDispose]());

  it('start, when the server refuses the password or cannot be reached', async () => {
    for (const url of [postgres.url, urlAt(1)])
      expect(await postgres.outputOfService(url)).not.toContain(SECRET);
  });

  it.each([
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
    for (const DATABASE_URL of [postgres.url, urlAt(1)]) {
      const environment = { DATABASE_URL, HTTP_PORT: '0' };
      const { stdout, stderr } = await runCli(environment, postgres.directory, args);
      if (USES_THE_DATABASE.test(args.join(' ')))
        expect(stderr).toContain('Cannot use the PostgreSQL database name at 127.0.0.1');
      expect(stdout + stderr).not.toContain(SECRET);
    }
  });

  it.each(['rebuild', 'snapshot', 'verify'])(
    'replay %s, when the password stands in the url of its option',
    async (command) => {
      const option = command === 'verify' ? '--database' : '--into';
      const args = ['replay', command, option, postgres.url];
      const { code, stdout, stderr } = await runCli({}, postgres.directory, args);
      expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('error: ') });
      expect(stdout + stderr).not.toContain(SECRET);
    },
  );

  it.skipIf(process.platform !== 'linux')('and `ps` shows none either', async () => {
    await using silent = await SilentServer.open();
    const args = ['replay', 'verify', '--database', urlAt(silent.port)];
    let looking: Promise<void> | undefined;
    await runCli({}, postgres.directory, args, (child) => {
      looking = eventually(
        async () =>
          expect(await readFile(`/proc/${child.pid}/cmdline`, 'utf8')).toMatch(
            /^allocation replay verify --database \*\*\*\0*$/,
          ),
        { withinMs: 60_000 },
      ).finally(() => child.kill());
    });
    await looking;
  });
});

it('A service shows the headers for its collector to the collector alone', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'allocation-headers-'));
  const file = join(directory, 'headers');
  await writeFile(file, `authorization=${SECRET}\n`);
  try {
    await using collector = await OtlpReceiver.open();
    const service = await ServiceProcess.start(
      {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_EXPORTER_OTLP_HEADERS_FILE: file,
        LOG_LEVEL: 'trace',
      },
      directory,
    );
    await fetch(`${service.url}/products/LAMP`);
    await eventually(() => expect(collector.requests[0]?.headers.authorization).toBe(SECRET), {
      withinMs: 60_000,
    });
    const shown = await (await fetch(`${service.url}/metrics`)).text();
    expect(await service.stop()).toBe(0);
    expect(shown + service.output.join('\n')).not.toContain(SECRET);
    expect(JSON.stringify(collector.spans)).not.toContain(SECRET);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
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
