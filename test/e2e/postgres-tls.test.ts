// @module-tag db
// @module-tag slow

import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Database } from '../../src/adapters/database/database.ts';
import { type CertificateFiles, TestAuthority } from '../support/certificates.ts';
import { runCli } from '../support/cli.ts';
import { eventually } from '../support/eventually.ts';
import { startTlsPostgres, type TlsPostgresServer } from '../support/postgres.ts';
import { ServiceProcess } from '../support/service-process.ts';

const PATIENCE = { withinMs: 120_000 };
const LIMITS = { poolSize: 2, timeoutMs: 60_000 };
const SERVER = { altNames: ['DNS:localhost', 'IP:127.0.0.1'] };
const USER = 'stock_service';

describe('The service, with PostgreSQL verified by verify-full and a client certificate', () => {
  let directory: string;
  let authority: TestAuthority;
  let right: CertificateFiles;
  let expired: CertificateFiles;
  let mine: CertificateFiles;
  let server: TlsPostgresServer;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-postgres-tls-'));
    await chmod(directory, 0o755);
    authority = await TestAuthority.create(directory, 'authority');
    right = await authority.sign('right', SERVER);
    expired = await authority.sign('expired', { ...SERVER, days: -1 });
    mine = await authority.sign('mine', { commonName: USER });
    server = await startTlsPostgres(right, authority.rootCert);
    await asAdministrator(
      `create role ${USER} login`,
      `create database stock owner ${USER}`,
      `create database rebuilt owner ${USER}`,
    );
  }, 240_000);
  afterAll(async () => {
    await server?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const asAdministrator = async (...statements: readonly string[]) => {
    const database = await Database.openExisting(server.url, LIMITS);
    try {
      const answers: unknown[][] = [];
      for (const statement of statements) answers.push(await database.query(statement));
      return answers.flat();
    } finally {
      await database.close();
    }
  };
  const endSessions = () =>
    asAdministrator(
      `select pg_terminate_backend(pid) from pg_stat_activity where usename = '${USER}'`,
    );
  const urlOf = (name: string) => `postgresql://${USER}@localhost:${server.port}/${name}`;
  const environment = () => ({
    DATABASE_URL: urlOf('stock'),
    PGSSLMODE: 'verify-full',
    PGSSLROOTCERT: authority.rootCert,
    PGSSLCERT: mine.cert,
    PGSSLKEY: mine.key,
  });
  const send = async ({ url }: ServiceProcess, command: object) => {
    const body = JSON.stringify(command);
    const headers = { 'content-type': 'application/json' };
    expect((await fetch(`${url}/commands`, { method: 'POST', headers, body })).status).toBe(202);
  };
  const allocate = async (service: ServiceProcess, orderid: string) => {
    await send(service, { type: 'AllocateOrder', orderid, sku: 'LAMP', qty: 2 });
    const lines = [{ sku: 'LAMP', qty: 2, batchref: 'batch-1' }];
    await eventually(async () => {
      const response = await fetch(`${service.url}/allocations/${orderid}`);
      expect(await response.json()).toMatchObject(lines);
    }, PATIENCE);
  };
  const readiness = async ({ url }: ServiceProcess) => {
    const response = await fetch(`${url}/readyz`);
    return { status: response.status, text: await response.text() };
  };

  it('answers commands, survives SIGKILL and a rebuild, and names a bad certificate', async () => {
    await using first = await ServiceProcess.start(environment(), directory);
    await send(first, { type: 'CreateBatch', reference: 'batch-1', sku: 'LAMP', quantity: 20 });
    await allocate(first, 'order-1');
    const sessions = await asAdministrator(
      `select distinct ssl, client_dn from pg_stat_ssl join pg_stat_activity using (pid)
       where usename = '${USER}'`,
    );
    expect(sessions).toEqual([{ ssl: true, client_dn: `/CN=${USER}` }]);

    await first.stop('SIGKILL');
    await using second = await ServiceProcess.start(environment(), directory);
    await allocate(second, 'order-2');

    await server.present(expired);
    await endSessions();
    await eventually(async () => {
      const { status, text } = await readiness(second);
      expect(text).toMatch(/at localhost:\d+ as user .*the certificate of the server has expired/);
      expect(status).toBe(503);
    }, PATIENCE);
    await server.present(right);
    await eventually(async () => expect((await readiness(second)).status).toBe(200), PATIENCE);
    await allocate(second, 'order-3');

    const stranger = await TestAuthority.create(directory, 'stranger');
    const unknown = await stranger.sign('mine', { commonName: USER });
    expect(unknown).toEqual(mine);
    await endSessions();
    await eventually(async () => {
      const { status, text } = await readiness(second);
      expect(text).toMatch(/the server refuses the client certificate, or asks for one/);
      expect(status).toBe(503);
    }, PATIENCE);
    await authority.sign('mine', { commonName: USER });
    await eventually(async () => expect((await readiness(second)).status).toBe(200), PATIENCE);
    await allocate(second, 'order-4');
    expect(await second.stop()).toBe(0);

    const rebuilt = await runCli(environment(), directory, [
      ...['replay', 'rebuild', '--into', urlOf('rebuilt'), '--execute'],
    ]);
    expect(rebuilt).toMatchObject({ code: 0, stderr: expect.not.stringContaining('error') });
    const verified = await runCli(environment(), directory, [
      ...['replay', 'verify', '--database', urlOf('rebuilt')],
    ]);
    expect(verified).toMatchObject({ code: 0 });
  }, 600_000);

  it('waits with one line when its start finds a server that it must not trust', async () => {
    const { PGSSLMODE: _, PGSSLROOTCERT: __, ...untrusting } = environment();
    await using service = ServiceProcess.spawn(untrusting, directory);
    await service.listens();
    const problem = 'no trusted authority has signed the certificate of the server';
    await eventually(
      async () =>
        expect(await readiness(service)).toEqual({
          status: 503,
          text: expect.stringContaining(problem),
        }),
      PATIENCE,
    );
    expect(await service.stop()).toBe(0);
    expect(service.output.filter((line) => line.includes(problem))).toHaveLength(1);
  }, 240_000);
});
