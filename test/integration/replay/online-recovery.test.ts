// @module-tag db

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Database } from '../../../src/adapters/database/database.ts';
import { Jobs } from '../../../src/jobs/jobs.ts';
import { OnlineRecovery } from '../../../src/replay/online-recovery.ts';
import type { Broker } from '../../../src/service-layer/broker.ts';
import { eventually } from '../../support/eventually.ts';
import { over } from '../../support/over.ts';
import { HandshakeServer } from '../../support/postgres-handshake.ts';

const LIMITS = { poolSize: 2, timeoutMs: 3_000 };
const NAMES = { eventsTopic: 'events', commandsTopic: 'commands', groupId: 'group' };

describe('A job that verifies the database', () => {
  let jobs: Jobs;
  /** How often the job has come as far as the events, which it reads after the copy. */
  let comparisons: number;
  let ends: (() => Promise<unknown>)[];

  beforeEach(() => {
    jobs = new Jobs();
    comparisons = 0;
    ends = [];
  });
  afterEach(async () => {
    for (const end of ends.toReversed()) await end();
  });

  function start(database: Database): string {
    const broker = {
      offsetRanges: async () => [],
      committedOffsets: async () => [],
      read: async () => {
        comparisons += 1;
        throw new Error('The copy is done');
      },
    } as unknown as Broker;
    const config = { ...NAMES, databaseUrl: '' } as never;
    const recovery = new OnlineRecovery({ database, broker, config, mustBePrepared: () => {} });
    return jobs.start('replay verify', 'ada', (job) => recovery.verify(job)).id;
  }

  const ended = (id: string) =>
    eventually(
      () => {
        const job = jobs.find(id);
        if (!job || job.state === 'running') throw new Error('The job still runs');
        return job;
      },
      { withinMs: 60_000 },
    );

  describe('on SQLite', () => {
    let database: Database;

    beforeEach(async () => {
      const directory = await mkdtemp(join(tmpdir(), 'allocation-verify-'));
      ends.push(() => rm(directory, { recursive: true, force: true }));
      database = await Database.open(`sqlite:///${join(directory, 'stock.db')}`);
      ends.push(() => database.close());
      await database.runMigrations();
      await database.query("insert into products (sku, version) values ('LAMP', 1)");
    });

    it.each([
      ['an operator cancels it', (id: string) => jobs.cancel(id, 'grace'), 'Cancelled by grace'],
      ['the service closes', () => jobs.close(), 'Cancelled, because the service closes'],
    ])('ends in its copy when %s', async (_, cancel, message) => {
      let id = '';
      const copied = over(database, {
        query: ((statement: string, parameters = []) => {
          // The copy asks the database for its file, and reads the file from then on.
          void cancel(id);
          return database.query(statement, parameters);
        }) as Database['query'],
      });
      id = start(copied);
      expect(await ended(id)).toMatchObject({ state: 'cancelled', message });
      expect(comparisons).toBe(0);
    });
  });

  describe('on PostgreSQL', () => {
    let manner: { certificate: null; refusal?: { code: string; text: string } };
    let server: HandshakeServer;
    let database: Database;

    beforeEach(async () => {
      manner = { certificate: null };
      server = await HandshakeServer.open(manner);
      ends.push(() => server.close());
      const url = `postgresql://stock@127.0.0.1:${server.port}/stock?sslmode=disable`;
      database = await Database.openExisting(url, LIMITS);
      ends.push(() => database.close());
    });

    /** Holds all connections of the pool, as lanes do. */
    async function holdPool() {
      const { promise: gate, resolve: end } = Promise.withResolvers<void>();
      const held = Array.from({ length: LIMITS.poolSize }, async () => {
        const begun = Promise.withResolvers<void>();
        const lane = database.transaction(async (sql) => {
          await sql('select 1');
          begun.resolve();
          await gate;
          await sql('select 2');
        });
        await begun.promise;
        return { lane };
      });
      const lanes = (await Promise.all(held)).map(({ lane }) => lane);
      return { lanes: Promise.all(lanes), end };
    }

    it('copies on connections of its own while lanes have the whole pool', async () => {
      const { lanes, end } = await holdPool();
      const job = await ended(start(database));
      expect(job).toMatchObject({ state: 'failed', message: 'The copy is done' });
      end();
      await lanes;
      expect([...server.applicationNames]).toEqual([
        expect.stringMatching(/^allocation /),
        expect.stringMatching(/^reader of allocation /),
      ]);
    });

    it('fails in words when PostgreSQL has no connections left, and no lane does', async () => {
      const { lanes, end } = await holdPool();
      manner.refusal = { code: '53300', text: 'sorry, too many clients already' };
      const job = await ended(start(database));
      expect(job).toMatchObject({
        state: 'failed',
        message: expect.stringContaining('too many clients already'),
      });
      end();
      await lanes;
    });

    it('loses only its own connections when its heartbeat fails', async () => {
      const { lanes, end } = await holdPool();
      const apart = await database.openApart();
      ends.push(() => apart.close());
      const copying = apart.transaction(async (sql) => {
        apart.giveUpConnections('The heartbeat to PostgreSQL failed');
        await sql('select 1');
      });
      await expect(copying).rejects.toThrow('The heartbeat to PostgreSQL failed');
      end();
      await lanes;
    });
  });
});
