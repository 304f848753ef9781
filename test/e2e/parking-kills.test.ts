// @module-tag db
// @module-tag kafka
// @module-tag slow
// @module-tag campaign

import { type ChildProcess, execFile, type PromiseWithChild } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, inject, it } from 'vitest';
import { Database } from '../../src/adapters/database/database.ts';
import { cliResult } from '../support/cli.ts';
import { LANES, workingLanes } from '../support/command-flow.ts';
import { postgresDatabase } from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';
import { checkHistory } from '../support/judge/check-history.ts';
import type { HistoryRecord } from '../support/judge/history.ts';
import { PoisonedFlow } from '../support/poisoned-flow.ts';
import { ServiceProcess } from '../support/service-process.ts';

const KILLS = 4;
/** A failing handler is tried four times, which takes about a second. */
const PARKING_MS = 1_500;
/** After a failure, the delivery is handled one command at a time. A busy machine needs long. */
const REST_MS = 120_000;

const run = promisify(execFile);
const brokers = inject('kafkaBrokers');
const postgres = inject('postgresUrl');
const fileOf = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const buggyService = fileOf('../support/buggy-service.ts');
const cli = fileOf('../../src/cli/allocation.ts');

describe.skipIf(!brokers)(
  'a service on real Kafka that is killed while commands are parked, then redriven',
  () => {
    it('answers every command once, each product in order, on SQLite', {
      concurrent: true,
      timeout: 300_000,
    }, async () => {
      await using directory = await temporaryDirectory();
      await killAndRedrive(directory.path, `sqlite:///${join(directory.path, 'allocation.db')}`);
    });

    it('answers every command once, each product in order, on PostgreSQL', {
      concurrent: true,
      skip: !postgres,
      timeout: 300_000,
    }, async () => {
      await using directory = await temporaryDirectory();
      const { url, remove } = await postgresDatabase();
      await killAndRedrive(directory.path, url);
      await remove();
    });
  },
);

async function killAndRedrive(directory: string, databaseUrl: string): Promise<void> {
  const flow = new PoisonedFlow(brokers ?? '', KILLS + 1);
  const environment = flow.environment(brokers ?? '', databaseUrl);
  await flow.connect();
  for (let round = 0; round < KILLS; round += 1) {
    await using service = ServiceProcess.spawn(environment, directory, [
      process.execPath,
      buggyService,
    ]);
    await service.ready();
    await workingLanes(service.url, LANES);
    const sending = flow.sendPoisoned(round);
    await sleep(Math.random() * PARKING_MS);
    await service.stop('SIGKILL');
    await sending;
  }
  await using buggy = ServiceProcess.spawn(environment, directory, [
    process.execPath,
    buggyService,
  ]);
  await flow.sendPoisoned(KILLS);
  await waitForAnswers(flow);
  expect(await buggy.stop()).toBe(0);

  await using mended = await ServiceProcess.start(environment, directory);
  const tool = (...args: string[]) =>
    run(process.execPath, [cli, 'dead-letters', ...args], {
      cwd: directory,
      env: { ...environment, PATH: process.env.PATH },
    });
  const redrive = () => tool('redrive', '--all', '--execute', '--json');
  const sent = await countOf(flow);
  // The redrive has sent commands again, perhaps before their markers.
  const isSending = async () => expect(await countOf(flow)).toBeGreaterThan(sent);
  await killAt(redrive(), () => eventually(isSending, { withinMs: REST_MS }));
  await killAt(redrive(), (child) => new Promise((resolve) => child.stdout?.once('data', resolve)));
  const { stdout, stderr } = await redrive();
  expect(cliResult(0, stdout, stderr).stderr).toBe('');
  await waitForAnswers(flow);
  expect((await tool('list')).stdout).toBe('No dead letters\n');
  expect(await mended.stop()).toBe(0);

  const history = await flow.history(databaseUrl);
  await flow.disconnect();
  expect(answeredIds(history.events)).toEqual(flow.idsBySku);
  expect(new Set(history.deadLetters.map(({ headers }) => headers['dead-letter-reason']))).toEqual(
    new Set(['handler-failed', 'parked-behind', undefined]),
  );
  expect(await parkedIn(databaseUrl)).toEqual([]);
  expect(
    checkHistory(history, { mayFail: ({ body }) => String(body.orderid).startsWith('poison') }),
  ).toEqual([]);
}

async function temporaryDirectory(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'allocation-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

async function waitForAnswers(flow: PoisonedFlow): Promise<void> {
  await eventually(async () => expect(await flow.lag()).toBe(0), { withinMs: REST_MS });
}

async function countOf(flow: PoisonedFlow): Promise<number> {
  return [...(await flow.ends()).values()].reduce((sum, end) => sum + end, 0);
}

async function killAt(
  running: PromiseWithChild<unknown>,
  moment: (child: ChildProcess) => Promise<unknown>,
): Promise<void> {
  const ended = running.catch((error) => error);
  await Promise.race([moment(running.child), ended]);
  running.child.kill('SIGKILL');
  expect(await ended).toMatchObject({ signal: 'SIGKILL' });
}

/** Returns the answered ids of each product, in the order of the events topic. */
function answeredIds(
  events: readonly HistoryRecord[],
): ReadonlyMap<string | null, readonly string[]> {
  const inOrder = events.toSorted((one, other) => one.offset - other.offset);
  const bySku = Map.groupBy(inOrder, ({ key }) => key);
  return new Map(
    [...bySku].map(([sku, of]) => [sku, of.map(({ headers }) => headers.ce_causationid ?? '')]),
  );
}

async function parkedIn(databaseUrl: string): Promise<readonly unknown[]> {
  const database = await Database.open(databaseUrl);
  const rows = await database.query('select id from parked_commands');
  await database.close();
  return rows;
}
