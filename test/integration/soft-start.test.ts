// @module-tag db
// @module-tag slow

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MIGRATION_LOCK } from '../../src/adapters/database/advisory-lock.ts';
import { Database } from '../../src/adapters/database/database.ts';
import { onServer } from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { SilentServer } from '../support/silent-server.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

const WITHIN_MS = 60_000;
/** A service that waited for the database's time-out while it stops would take longer. */
const DATABASE_TIMEOUT_MS = 8_000;
/** The contract promises 2 s. A busy machine takes longer. */
const STOP_WITHIN_MS = 5_000;
const CANNOT_USE = 'The database is not ready, and the service waits: Cannot use the PostgreSQL';

describe('A service that starts', { timeout: 5 * WITHIN_MS }, () => {
  let server: PostgresServer | null = null;
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-soft-'));
    server = await startPostgres({ withFaults: true }).catch((reason: Error) => {
      if (process.env.CI) throw reason;
      process.stderr.write(`Tests of the soft start are skipped: ${reason.message}\n`);
      return null;
    });
  }, 5 * WITHIN_MS);

  afterAll(async () => {
    await server?.stop();
    await rm(directory, { recursive: true, force: true });
  }, 5 * WITHIN_MS);

  const urlAt = (port: number | string, user = 'postgres', name = 'postgres') =>
    `postgresql://${user}:postgres@127.0.0.1:${port}/${name}`;
  const portOf = ({ url }: PostgresServer) => new URL(url).port;
  const spawn = (environment: Record<string, string>) =>
    ServiceProcess.spawn(
      { DATABASE_TIMEOUT_MS: String(DATABASE_TIMEOUT_MS), ...environment },
      directory,
    );
  const get = async ({ url }: ServiceProcess, path: string) => {
    const response = await fetch(`${url}${path}`);
    return { status: response.status, body: await response.text() };
  };
  /** Resolves when readiness has the problem. */
  const waitsFor = async (service: ServiceProcess, problem: string) => {
    await service.listens();
    await eventually(
      async () =>
        expect(await get(service, '/readyz')).toEqual({
          status: 503,
          body: expect.stringContaining(problem),
        }),
      { withinMs: WITHIN_MS },
    );
  };
  const stopsInTime = async (service: ServiceProcess, signal: NodeJS.Signals) => {
    const sinceMs = performance.now();
    expect([await service.stop(signal), service.signal]).toEqual([0, null]);
    expect(performance.now() - sinceMs).toBeLessThan(STOP_WITHIN_MS);
  };
  /** Expects a service that lives, says what it waits for, and answers no questions. */
  const expectWaiting = async (service: ServiceProcess) => {
    await waitsFor(service, CANNOT_USE);
    const { problems } = JSON.parse((await get(service, '/readyz')).body);
    expect(problems).toEqual([
      expect.stringContaining(CANNOT_USE),
      'The consumer has not joined its group yet',
    ]);
    expect(await get(service, '/healthz')).toMatchObject({ status: 200 });
    expect(await get(service, '/products/LAMP')).toEqual({
      status: 503,
      body: expect.stringContaining('The database is not ready'),
    });
  };
  const expectReady = async (service: ServiceProcess) => {
    await service.ready();
    await eventually(
      async () => expect(await get(service, '/readyz')).toMatchObject({ status: 200 }),
      { withinMs: WITHIN_MS },
    );
    expect(await get(service, '/products/LAMP')).toMatchObject({ status: 404 });
    expect(await service.stop()).toBe(0);
    const problems = service.output
      .map((line) => JSON.parse(line))
      .filter(({ level }) => level > 30);
    expect(problems.length).toBe(new Set(problems.map(({ msg }) => msg)).size);
  };

  it('waits for a PostgreSQL that refuses connections, and works when it comes', async ({
    skip,
  }) => {
    const { faults, ...postgres } = server ?? skip();
    if (faults === null) return skip();
    await faults.end('SIGINT');
    // The other tests need the server, even if this one fails.
    await using stack = new AsyncDisposableStack();
    stack.defer(() => faults.restart());
    const DATABASE_URL = urlAt(portOf({ faults, ...postgres }));
    {
      await using stopping = spawn({ DATABASE_URL });
      await waitsFor(stopping, 'ECONNREFUSED');
      await stopsInTime(stopping, 'SIGTERM');
    }
    await using service = spawn({ DATABASE_URL });
    await expectWaiting(service);
    await stack.disposeAsync();
    await expectReady(service);
  });

  it('waits for a PostgreSQL that says nothing, and works when it answers', async ({ skip }) => {
    const proxy = await TcpProxy.open(Number(portOf(server ?? skip())));
    try {
      proxy.beginBlackHole();
      await using stopping = spawn({ DATABASE_URL: urlAt(proxy.port) });
      await using service = spawn({ DATABASE_URL: urlAt(proxy.port) });
      await waitsFor(stopping, 'timeout');
      await stopsInTime(stopping, 'SIGINT');
      await expectWaiting(service);
      proxy.endBlackHole();
      await expectReady(service);
    } finally {
      await proxy.close();
    }
  });

  it('waits for a database that it may not create, and works when it is there', async ({
    skip,
  }) => {
    const { url } = server ?? skip();
    await onServer(url, "create role poor login password 'postgres'");
    const DATABASE_URL = urlAt(new URL(url).port, 'poor', 'later');
    await using service = spawn({ DATABASE_URL });
    await waitsFor(service, 'permission denied to create database');
    await onServer(url, 'create database later owner poor');
    await expectReady(service);
  });

  it('ends at once on SIGTERM while another process migrates', async ({ skip }) => {
    const { url } = server ?? skip();
    await onServer(url, 'create database migrating');
    const DATABASE_URL = urlAt(new URL(url).port, 'postgres', 'migrating');
    const database = await Database.open(DATABASE_URL);
    try {
      await database.transaction(async (sql) => {
        await sql(`select pg_advisory_xact_lock(${MIGRATION_LOCK})`);
        await using service = spawn({ DATABASE_URL });
        await eventually(
          async () =>
            expect(
              await sql("select 1 from pg_locks where locktype = 'advisory' and not granted"),
            ).toHaveLength(1),
          { withinMs: WITHIN_MS },
        );
        await stopsInTime(service, 'SIGTERM');
      });
    } finally {
      await database.close();
    }
  });

  it('ends at once on SIGTERM while Kafka says nothing', async () => {
    await using silent = await SilentServer.open();
    const KAFKA_BROKERS = `127.0.0.1:${silent.port}`;
    await using service = spawn({ KAFKA_BROKERS });
    await waitsFor(service, `Waiting for the broker (${KAFKA_BROKERS})`);
    await stopsInTime(service, 'SIGTERM');
  });
});
