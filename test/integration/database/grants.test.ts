// @module-tag db
// @module-tag slow

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { Database } from '../../../src/adapters/database/database.ts';
import { countParked, releaseParked } from '../../../src/adapters/database/lanes/parked-release.ts';
import { SqlLaneStore } from '../../../src/adapters/database/lanes/sql-lane-store.ts';
import { copyDatabase } from '../../../src/adapters/database/replay/copy-database.ts';
import { readMark, refuseMarked } from '../../../src/adapters/database/replay/rebuild-mark.ts';
import { isUsedByOthers } from '../../../src/adapters/database/replay/rebuild-target.ts';
import { readAllocations, readOrder } from '../../../src/views/order-view.ts';
import { runCli } from '../../support/cli.ts';
import { quietAnswerContext } from '../../support/commands.ts';
import { onServer } from '../../support/databases.ts';
import { eventually } from '../../support/eventually.ts';
import { answerInLane } from '../../support/lane-transaction.ts';
import { ServiceProcess } from '../../support/service-process.ts';

const DOCUMENT = new URL('../../../docs/security.md', import.meta.url);
const PASSWORD = 'grants';
const FAILURE = { message: 'the handler has a bug', attempts: 4 };
const PATIENCE = { withinMs: 60_000 };
const LIMITS = { poolSize: 2, timeoutMs: 60_000 };
/** The tables that other tests of this file fill. */
const ROWS = [
  'products',
  'batches',
  'order_lines',
  'allocations',
  'source_positions',
  'processed_commands',
  'parked_commands',
  'parked_subjects',
  'outbox',
];

/** One privilege on one object. */
interface Grant {
  readonly privilege: string;
  readonly object: string;
}

/** The grants of docs/security.md to a role, taken apart. */
function grantsOf(document: string, role: string): readonly Grant[] {
  const statements = document.matchAll(/^grant (.+) on (\w+) (.+) to (\w+);$/gm);
  return [...statements].flatMap(([, privileges = '', kind, objects = '', to]) =>
    to === role
      ? objects
          .split(', ')
          .flatMap((name) =>
            privileges.split(', ').map((privilege) => ({ privilege, object: `${kind} ${name}` })),
          )
      : [],
  );
}

describe.skipIf(inject('postgresUrl') === null)('The PostgreSQL grants of docs/security.md', () => {
  const server = inject('postgresUrl') ?? '';
  const name = `stock_${process.pid}_${Date.now()}`;
  const roles = { owner: `${name}_owner`, service: `${name}_service`, reader: `${name}_reader` };
  let document: string;
  let directory: string;
  let owner: Database;
  let stories = 0;

  const urlOf = (username: string) =>
    Object.assign(new URL(server), { username, password: PASSWORD, pathname: `/${name}` }).href;
  const inOwnNames = (statement: string) => statement.replace(/\bstock(?=_|\b)/g, name);

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-grants-'));
    document = await readFile(DOCUMENT, 'utf8');
    for (const role of Object.values(roles))
      await onServer(server, `create role ${role} login password '${PASSWORD}'`);
    await onServer(server, `create database ${name} owner ${roles.owner}`);
    await onServer(server, `revoke all on database ${name} from public`);
    const migrated = await runCli({ DATABASE_URL: urlOf(roles.owner) }, directory, ['migrate']);
    expect(migrated).toMatchObject({ code: 0 });
    owner = await Database.openExisting(urlOf(roles.owner), LIMITS);
    const statements = document.match(/^(revoke all on schema|grant) .*;$/gm) ?? [];
    for (const statement of statements) await owner.query(inOwnNames(statement));
  }, 120_000);

  afterAll(async () => {
    await owner?.close();
    await onServer(server, `drop database if exists ${name} with (force)`);
    for (const role of Object.values(roles)) await onServer(server, `drop role if exists ${role}`);
    await rm(directory, { recursive: true, force: true });
  });

  /** Does everything that the service and an operator of dead letters do with the database. */
  async function work(database: Database): Promise<void> {
    stories += 1;
    const n = stories;
    await database.runMigrations();
    await refuseMarked(database, { goesOn: false });
    const store = new SqlLaneStore(database, () => {});
    const lane = { topic: 'commands', partition: 0 };
    await store.bind(lane, 'log', 'group');
    await store.settle(lane, 'group');
    await store.noteNext({ ...lane, nextOffset: 1, nextTimestampMs: 0 });
    await store.readStandings(lane.topic);
    const bodies = [
      { type: 'CreateBatch', reference: `batch-${n}`, sku: `sku-${n}`, quantity: 20, eta: null },
      { type: 'AllocateOrder', orderid: `order-${n}`, sku: `sku-${n}`, qty: 15 },
      { type: 'ChangeBatchQuantity', reference: `batch-${n}`, quantity: 10 },
      { type: 'AllocateOrder', orderid: `second-${n}`, sku: `sku-${n}`, qty: 3 },
      { type: 'DeallocateOrder', orderid: `second-${n}`, sku: `sku-${n}` },
      { type: 'AllocateOrder', orderid: `failed-${n}`, sku: `sku-${n}`, qty: 1 },
      { type: 'AllocateOrder', orderid: `behind-${n}`, sku: `sku-${n}`, qty: 1 },
    ];
    const headers = {};
    for (const [index, body] of bodies.entries()) {
      const id = `command-${n}-${index}`;
      const failure = 'orderid' in body && body.orderid?.startsWith('failed') ? FAILURE : null;
      const message = { body: { id, ...body }, headers };
      await answerInLane(database, quietAnswerContext(), message, { failure });
    }
    await countParked(database);
    const parked = [5, 6].map((index) => `command-${n}-${index}`);
    await releaseParked(database, { redriven: parked, discarded: [], replaced: null });
    await releaseParked(database, { redriven: [], discarded: parked, replaced: null });
    await readOrder(`order-${n}`, database.read.bind(database));
  }

  /** Does what commands that only read do with the service's database. */
  async function look(database: Database): Promise<void> {
    await readMark(database);
    await readAllocations('order-1', database.query.bind(database));
    const copy = await Database.open('sqlite:///:memory:');
    try {
      await copy.runMigrations();
      await copyDatabase(database, copy);
    } finally {
      await copy.close();
    }
  }

  describe.each([
    { role: 'service', act: work },
    { role: 'reader', act: look },
  ] as const)('to the $role', ({ role, act }) => {
    const actAs = async () => {
      const database = await Database.openExisting(urlOf(roles[role]), LIMITS);
      try {
        await act(database);
      } finally {
        await database.close();
      }
    };

    it('are all that it needs, and it needs each of them', async () => {
      await actAs();
      const grants = grantsOf(document, `stock_${role}`);
      expect(grants).not.toEqual([]);
      const superfluous: Grant[] = [];
      for (const grant of grants) {
        const on = inOwnNames(`${grant.privilege} on ${grant.object}`);
        await owner.query(`revoke ${on} from ${roles[role]}`);
        const error: Error | null = await actAs().then(
          () => null,
          (error) => error,
        );
        await owner.query(`grant ${on} to ${roles[role]}`);
        if (error === null) superfluous.push(grant);
        // Without the schema, PostgreSQL finds no table.
        else expect(error.message).toMatch(/permission denied for|relation .* does not exist/);
      }
      expect(superfluous).toEqual([]);
      await actAs();
    }, 300_000);
  });

  it('let the doctor find nothing, and it names the one that is missing', async () => {
    const examine = async () => {
      const { stdout } = await runCli({ DATABASE_URL: urlOf(roles.service) }, directory, [
        'doctor',
        '--json',
      ]);
      const reports = stdout.split('\n').flatMap((line) => (line ? [JSON.parse(line)] : []));
      return reports.filter(({ subject }) => subject.includes(`database ${name} at`));
    };
    const checks = ['connection', 'schema', 'permissions', 'clock'];
    expect(await examine()).toMatchObject(checks.map((check) => ({ check, state: 'ok' })));
    await owner.query(`revoke insert, update on table batches from ${roles.service}`);
    const findings = (await examine()).filter(({ state }) => state === 'finding');
    await owner.query(`grant insert, update on table batches to ${roles.service}`);
    expect(findings).toMatchObject([
      {
        problem: `the user "${roles.service}" lacks insert, update on table batches`,
        remedy: `as the owner: grant insert, update on table batches to "${roles.service}";`,
      },
    ]);
  }, 120_000);

  it('let the service run, and commands that only read, with a migrated database', async () => {
    await owner.query(`truncate ${ROWS.join(', ')}`);
    const environment = { DATABASE_URL: urlOf(roles.service) };
    await using service = await ServiceProcess.start(environment, directory);
    const send = (body: object) =>
      fetch(`${service.url}/commands`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    await send({ type: 'CreateBatch', reference: 'b', sku: 'LAMP', quantity: 20 });
    await send({ type: 'AllocateOrder', orderid: 'o', sku: 'LAMP', qty: 2 });
    await eventually(async () => {
      const response = await fetch(`${service.url}/allocations/o`);
      expect(await response.json()).toMatchObject([{ sku: 'LAMP', batchref: 'b' }]);
    }, PATIENCE);
    const reader = { DATABASE_URL: urlOf(roles.reader) };
    for (const args of [
      ['show', 'order', 'o'],
      ['show', 'product', 'LAMP'],
      ['replay', 'verify'],
      ['replay', 'snapshot', '--into', `sqlite:///${join(directory, 'copy.db')}`, '--execute'],
    ])
      expect({ args, ...(await runCli(reader, directory, args)) }).toMatchObject({ code: 0 });
    expect(await service.stop()).toBe(0);
  }, 240_000);

  it('hide no session of the service from a rebuild by the owner', async () => {
    const database = await Database.openExisting(urlOf(roles.service), LIMITS);
    try {
      await database.query("select set_config('application_name', 'allocation other', false)");
      expect(await isUsedByOthers(owner)).toBe(true);
    } finally {
      await database.close();
    }
  });

  it('do not let the service migrate, and it says who may', async () => {
    await owner.query(
      'delete from mikro_orm_migrations where id = (select max(id) from mikro_orm_migrations)',
    );
    await using service = ServiceProcess.spawn({ DATABASE_URL: urlOf(roles.service) }, directory);
    await service.listens();
    await eventually(async () => {
      expect(await (await fetch(`${service.url}/readyz`)).text()).toMatch(
        /lacks 1 migrations.*may not apply.*Run ."npx allocation migrate." as the owner/,
      );
    }, PATIENCE);
    expect(await service.stop()).toBe(0);
  }, 120_000);
});
