// @module-tag db
// @module-tag slow

import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Database } from '../../../src/adapters/database/database.ts';
import { readMark, writeMark } from '../../../src/adapters/database/replay/rebuild-mark.ts';
import { bootstrap, type Service } from '../../../src/bootstrap.ts';
import type { Config } from '../../../src/config.ts';
import { planRebuild } from '../../../src/replay/rebuild-plan.ts';
import { verify } from '../../../src/replay/verify.ts';
import type { Broker } from '../../../src/service-layer/broker.ts';
import { eventually } from '../../support/eventually.ts';
import { over } from '../../support/over.ts';
import { describeOnEachBroker, RunningService } from '../../support/running-service.ts';

/** The tables of the service. The embedded log, in the same file, stays. */
const TABLES = [
  'allocations',
  'order_lines',
  'batches',
  'products',
  'processed_commands',
  'outbox',
  'source_positions',
  'parked_commands',
];

type Row = Record<string, string | number | null>;

describeOnEachBroker('A starting service', (environment) => {
  let running: RunningService;
  let lines: { readonly msg: string }[];
  const services: Service[] = [];

  beforeEach(async () => {
    lines = [];
    running = await RunningService.start(environment);
    await running.send(batch('lamp-1', 'LAMP'), batch('sofa-1', 'SOFA'), batch('desk-1', 'DESK'));
    await running.idle();
  });

  afterEach(async () => {
    for (const service of services.splice(0)) await service.close();
    await running[Symbol.asyncDispose]();
  });

  const batch = (reference: string, sku: string) => ({
    key: sku,
    value: JSON.stringify({
      type: 'CreateBatch',
      id: reference,
      reference,
      sku,
      quantity: 10,
      eta: null,
    }),
  });
  const order = (orderid: string, sku: string) => ({
    key: sku,
    value: JSON.stringify({ type: 'AllocateOrder', id: orderid, orderid, sku, qty: 2 }),
  });

  /** Reads all rows of the tables of the service. */
  const contents = async () => {
    const tables = new Map<string, readonly Row[]>();
    for (const table of TABLES)
      tables.set(table, await running.service.database.query<Row>(`select * from ${table}`));
    return tables;
  };
  /** Stops the service, and gives its database an older content, by default none. */
  const loseDatabase = async (older: ReadonlyMap<string, readonly Row[]> = new Map()) => {
    await running.service.close();
    await changeDatabase(async (database) => {
      for (const table of TABLES) await database.query(`delete from ${table}`);
      for (const [table, rows] of [...older].reverse()) {
        for (const row of rows) {
          const columns = Object.keys(row);
          const values = `${columns.map(() => '?').join(', ')}`;
          await database.query(
            `insert into ${table} (${columns.join(', ')}) values (${values})`,
            Object.values(row),
          );
        }
      }
    });
  };
  const changeDatabase = async (change: (database: Database) => Promise<unknown>) => {
    const database = await Database.open(running.config.databaseUrl);
    await change(database);
    await database.close();
  };
  const restart = async (
    more: Partial<Config> = {},
    broker: (real: Broker) => Broker = (real) => real,
  ) => {
    const log = pino(
      { level: 'info' },
      { write: (line: string) => void lines.push(JSON.parse(line)) },
    );
    const service = await bootstrap({ ...running.config, autoRecover: true, ...more }, log, {
      broker,
    });
    services.push(service);
    return { service, started: service.start() };
  };
  const says = (text: string) => lines.some(({ msg }) => msg.includes(text));
  const readiness = async ({ http }: Service) => {
    const response = await fetch(`${http.url}/readyz`);
    return `${response.status} ${await response.text()}`;
  };
  /** Expects an answer to one more command per product, and a database that fits the topics. */
  const goesOn = async (service: Service, group = running.config.groupId) => {
    const { commandsTopic, eventsTopic } = running.config;
    const further = ['LAMP', 'SOFA', 'DESK'].map((sku) => ({
      headers: {},
      ...order(`further-${sku}`, sku),
    }));
    await service.broker.publish(commandsTopic, further);
    await eventually(
      async () =>
        expect(
          await service.database.query(
            `select id from processed_commands where id like 'further-%'`,
          ),
        ).toHaveLength(3),
      { withinMs: 30_000 },
    );
    await eventually(async () => expect(await readiness(service)).toMatch(/^200/), {
      withinMs: 30_000,
    });
    const watch = { advance: async () => {}, signal: new AbortController().signal };
    expect(
      (await verify(service.database, service.broker, { eventsTopic, commandsTopic, group }, watch))
        .counts,
    ).toEqual({});
  };
  /** Makes a broker whose reads stop behind the first chunk until `letGo` is called. */
  const held = () => {
    const { promise, resolve: letGo } = Promise.withResolvers<void>();
    const broker = (real: Broker) =>
      over(real, {
        read: (topic, ranges, take, signal) => {
          const aborted = new Promise<void>((resolve) =>
            signal?.addEventListener('abort', () => resolve()),
          );
          return real.read(
            topic,
            ranges,
            (chunk) => take(chunk).then(() => Promise.race([promise, aborted])),
            signal,
          );
        },
      });
    return { broker, letGo };
  };

  it('rebuilds a lost database before it joins its group, and shows its progress', async () => {
    await loseDatabase();
    const { broker, letGo } = held();
    const { service, started } = await restart({}, broker);
    await eventually(async () =>
      expect(await readiness(service)).toMatch(
        /^503 .*is being rebuilt from events-\w+: [1-9]\d? % of \d+ offsets/,
      ),
    );
    expect((await fetch(`${service.http.url}/healthz`)).status).toBe(200);
    expect(service.consumer.problems()).toEqual(['The consumer has not joined its group yet']);
    letGo();
    await started;
    await goesOn(service);
    expect([says('building it anew'), says('The database is rebuilt: 3 records read')]).toEqual([
      true,
      true,
    ]);
  }, 60_000);

  it('rebuilds a lost database when the committed offsets are lost too', async () => {
    await loseDatabase();
    const { service, started } = await restart({ groupId: `${running.config.groupId}-2` });
    await started;
    expect(says('The database is rebuilt: 3 records read')).toBe(true);
    await goesOn(service, `${running.config.groupId}-2`);
  }, 60_000);

  it('refuses a lost database with lost offsets when AUTO_RECOVER is off', async () => {
    await loseDatabase();
    const { service, started } = await restart({
      groupId: `${running.config.groupId}-2`,
      autoRecover: false,
    });
    await started;
    await eventually(
      async () =>
        expect(await readiness(service)).toContain('npx allocation replay rebuild --into'),
      { withinMs: 30_000 },
    );
    expect(await service.database.query('select * from products')).toEqual([]);
  }, 60_000);

  it('brings an older database up to date', async () => {
    const older = await contents();
    await running.send(order('o1', 'LAMP'), order('o2', 'SOFA'));
    await running.idle();
    await loseDatabase(older);
    const { service, started } = await restart();
    await started;
    await goesOn(service);
    expect(says('bringing it up to date')).toBe(true);
  }, 60_000);

  it('leaves a database that lacks nothing alone', async () => {
    await running.service.close();
    const { service, started } = await restart();
    await started;
    await goesOn(service);
    expect(says('rebuil')).toBe(false);
  }, 60_000);

  it('stops a rebuild at once, and goes on with the rebuild at the next start', async () => {
    await loseDatabase();
    const first = await restart({}, held().broker);
    await eventually(async () => expect(await readiness(first.service)).toMatch(/[1-9]\d? % of/));
    const stoppedMs = Date.now();
    await first.service.close();
    await first.started;
    expect(Date.now() - stoppedMs).toBeLessThan(2_000);
    await expect(restart({ autoRecover: false })).rejects.toThrow('is being rebuilt');
    const { service, started } = await restart();
    await started;
    await goesOn(service);
    expect([
      says('going on with its unfinished rebuild'),
      says('The database is rebuilt: 3 records'),
    ]).toEqual([true, false]);
  }, 60_000);

  it('goes on with an unfinished rebuild of a database that lacks nothing else', async () => {
    const plan = await planRebuild(running.service.broker, running.config, {
      until: null,
      fromCopy: true,
    });
    await running.service.close();
    await changeDatabase((database) =>
      writeMark(database, { state: 'unfinished', plan: JSON.stringify(plan) }),
    );
    const { service, started } = await restart();
    await started;
    expect(await readMark(service.database)).toBeNull();
    await goesOn(service);
  }, 60_000);

  it('stays up when a rebuild is refused, says why, and tries again', async () => {
    await running.send(order('o1', 'LAMP'));
    await running.idle();
    await loseDatabase();
    let isMissing = true;
    const { service, started } = await restart({}, (real) =>
      over(real, {
        read: (topic, ranges, take, signal) =>
          real.read(
            topic,
            ranges,
            (chunk) => take(isMissing ? { ...chunk, records: chunk.records.slice(1) } : chunk),
            signal,
          ),
      }),
    );
    await eventually(async () =>
      expect(await readiness(service)).toMatch(
        /^503 .*cannot be rebuilt: Events are missing in events-\w+ \(LAMP from ce_sequence 1 on\)/,
      ),
    );
    expect([
      await readMark(service.database),
      await service.database.query('select * from products'),
    ]).toEqual([null, []]);
    isMissing = false;
    await started;
    await goesOn(service);
  }, 60_000);

  // A rebuild from an empty topic would skip every command.
  it('refuses an events topic without events', async () => {
    await loseDatabase();
    const { service } = await restart({ eventsTopic: `${running.config.eventsTopic}-other` });
    await eventually(async () =>
      expect(await readiness(service)).toContain('-other is empty, but the group'),
    );
    expect(await service.database.query('select * from source_positions')).toEqual([]);
  }, 60_000);

  it('does not start on a database that shows the past', async () => {
    await running.service.close();
    await changeDatabase((database) => writeMark(database, { state: 'past', plan: '{}' }));
    await expect(restart()).rejects.toThrow('shows the past');
  });

  it('leaves a database of another log alone, and its lanes refuse the database', async () => {
    await running.service.close();
    await changeDatabase((database) =>
      database.query(`update source_positions set log_id = 'another log', next_offset = 0`),
    );
    const { service, started } = await restart();
    await started;
    await eventually(
      async () => expect(await readiness(service)).toContain('in another log (another log)'),
      { withinMs: 30_000 },
    );
    expect(says('rebuil')).toBe(false);
  }, 60_000);

  it('shows the exact rebuild command when AUTO_RECOVER is off', async () => {
    const { databaseUrl } = running.config;
    const older = await contents();
    await running.send(order('o1', 'LAMP'));
    await running.idle();
    await loseDatabase();
    const { service, started } = await restart({ autoRecover: false });
    await started;
    await eventually(
      async () =>
        expect(await readiness(service)).toContain(
          `npx allocation replay rebuild --into ${databaseUrl}   (or`,
        ),
      {
        withinMs: 30_000,
      },
    );
    await service.close();
    await loseDatabase(older);
    const again = await restart({ autoRecover: false });
    await again.started;
    await eventually(
      async () =>
        expect(await readiness(again.service)).toContain(
          `npx allocation replay rebuild --into ${databaseUrl} --from-copy`,
        ),
      { withinMs: 30_000 },
    );
    await again.service.close();
    expect(
      await running.cli('replay', 'rebuild', '--into', databaseUrl, '--from-copy', '--execute'),
    ).toMatchObject({ code: 0 });
    const last = await restart({ autoRecover: false });
    await last.started;
    await goesOn(last.service);
  }, 90_000);
});
