// @module-tag db
// @module-tag slow

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import SqliteDatabase from 'better-sqlite3';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  AllocationClient,
  type CommandEvent,
  CommandSource,
} from '../../clients/typescript/src/index.ts';
import { eventually } from '../support/eventually.ts';
import { describeOnEachBroker } from '../support/running-service.ts';
import { ServiceProcess } from '../support/service-process.ts';

const fileOf = (example: string) => join(import.meta.dirname, '../../examples', example, 'main.ts');
const PATIENCE_MS = 60_000;

describeOnEachBroker('An example', (onBroker) => {
  let directory: string;
  let service: ServiceProcess;
  let environment: Record<string, string>;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-'));
    const run = crypto.randomUUID().slice(0, 8);
    const settings = {
      ...onBroker,
      KAFKA_GROUP_ID: `group-${run}`,
      COMMANDS_TOPIC: `commands-${run}`,
      EVENTS_TOPIC: `events-${run}`,
      DEAD_LETTERS_TOPIC: `dead-letters-${run}`,
    };
    service = await ServiceProcess.start(settings, directory);
    environment = { ...settings, ALLOCATION_URL: service.url };
  });

  afterEach(async () => {
    await service.stop('SIGKILL');
    await rm(directory, { recursive: true, force: true });
  });

  it('shop orders, waits for the answers, and prints them', async () => {
    // kafkajs 2.2.4 sets timers with negative delays, of which Node warns.
    const command = ['--disable-warning=TimeoutNegativeWarning', fileOf('shop')];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, command, {
      cwd: directory,
      env: environment,
    });
    expect(stderr).toBe('');
    const lines = stdout.replaceAll(/-[0-9a-f]{8}\b/g, '').split('\n');
    expect(lines.filter((line) => line.startsWith('  '))).toEqual([
      '  5 CHAIR in stock, due now',
      '  20 CHAIR in stock, due 2030-01-31',
      '  1 TABLE in stock, due now',
      '  4 CHAIR come from chairs',
      '  1 TABLE come from tables',
      '  2 CHAIR come from chairs-due',
      '  TABLE is out of stock',
      '  4 CHAIR go back to chairs',
      '  1 TABLE go back to tables',
      expect.stringMatching(/^ {2}rejected, unknown-sku: /),
    ]);
  }, 90_000);

  it('read-model has the stock of the service, although it is killed meanwhile', async () => {
    const client = new AllocationClient({ url: service.url });
    const shop = new CommandSource('/test');
    const skus = ['LAMP', 'SOFA', 'DESK'];
    const send = async (commands: readonly CommandEvent[]) => {
      for (const command of commands) await client.sendAndWait(command);
    };
    const orders = (name: string, count: number) =>
      Array.from({ length: count }, (_, index) =>
        shop.allocateOrder({
          orderid: `${name}-${index}`,
          lines: [skus[index % 3], skus[(index + 1) % 3]].map((sku = '') => ({ sku, qty: 1 })),
        }),
      );
    await send(skus.map((sku) => shop.createBatch({ reference: sku, sku, quantity: 10 })));
    const file = join(directory, 'read-model.db');

    for (const round of ['first', 'second', 'third']) {
      const reader = startReadModel(file);
      await send(orders(round, 3));
      await send([shop.changeBatchQuantity({ reference: 'LAMP', quantity: 5 })]);
      await send([shop.deallocateOrder({ orderid: `${round}-0` })]);
      const seen = countIn(file);
      await send(orders(`${round}-more`, 3));
      // The reader is somewhere in these events when it is killed.
      await eventually(() => expect(countIn(file)).toBeGreaterThan(seen), {
        withinMs: PATIENCE_MS,
      });
      await end(reader);
    }
    const reader = startReadModel(file);
    const expected = await Promise.all(skus.map(availableOf));
    await eventually(() => expect(skus.map((sku) => stockIn(file, sku))).toEqual(expected), {
      withinMs: PATIENCE_MS,
    });
    await end(reader);
  }, 180_000);

  function startReadModel(file: string): ChildProcess {
    return spawn(process.execPath, [fileOf('read-model')], {
      cwd: directory,
      env: { ...environment, READ_MODEL: file },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }

  async function end(reader: ChildProcess): Promise<void> {
    const ended = once(reader, 'close');
    reader.kill('SIGKILL');
    await ended;
  }

  /** What the service says is available of a product. */
  async function availableOf(sku: string): Promise<number> {
    const response = await fetch(`${service.url}/products/${sku}`);
    const { batches } = (await response.json()) as {
      readonly batches: readonly { readonly availableQuantity: number }[];
    };
    return batches.reduce((sum, { availableQuantity }) => sum + availableQuantity, 0);
  }
});

function countIn(file: string): number {
  return query(file, 'select count(*) from seen') ?? 0;
}

function stockIn(file: string, sku: string): number | null {
  return query(file, 'select available from stock where sku = ?', sku);
}

/** Reads one number. Null: there is none, or not yet a file. */
function query(file: string, select: string, ...values: readonly string[]): number | null {
  if (!existsSync(file)) return null;
  const database = new SqliteDatabase(file, { readonly: true, fileMustExist: true });
  try {
    return (
      database
        .prepare<string[], number>(select)
        .pluck()
        .get(...values) ?? null
    );
  } catch {
    return null;
  } finally {
    database.close();
  }
}
