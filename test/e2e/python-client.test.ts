// @module-tag db
// @module-tag kafka
// @module-tag slow

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { clientPythonOrSkip, PYTHON_CLIENT, runPython } from '../support/client-python.ts';
import { eventually } from '../support/eventually.ts';
import { describeOnEachBroker, RunningService } from '../support/running-service.ts';

const INSTALL_MS = 600_000;
const RUN_MS = 300_000;
const PATIENCE_MS = 60_000;
const brokers = inject('kafkaBrokers');

let python = '';

beforeAll(async () => {
  python = (await clientPythonOrSkip()) ?? '';
}, INSTALL_MS);

beforeEach(({ skip }) => skip(!python, 'there is no Python'));

describe('The Python client', () => {
  it('passes its own tests, as it is installed', { timeout: RUN_MS }, async () => {
    const discover = ['-m', 'unittest', 'discover', '-t', '.', '-s', 'tests'];
    expect(await runPython(python, discover)).toMatch(/\nOK\b/);
  });

  it('has types that mypy accepts, and says that it has types', { timeout: RUN_MS }, async () => {
    expect(await runPython(python, ['-m', 'mypy'])).toContain('Success');
    const installed = await runPython(python, ['-m', 'pip', 'show', '-f', 'allocation-client']);
    expect(installed).toContain('allocation_client/py.typed');
  });
});

describe.skipIf(!brokers)('The Python client, with the service on Kafka', () => {
  let running: RunningService;

  beforeAll(async () => {
    running = await RunningService.start({ KAFKA_BROKERS: brokers ?? '', TOPIC_PARTITIONS: '4' });
  });
  afterAll(async () => running[Symbol.asyncDispose]());

  const environment = () => ({
    ALLOCATION_URL: running.service.http.url ?? '',
    KAFKA_BROKERS: brokers ?? '',
    COMMANDS_TOPIC: running.config.commandsTopic,
    EVENTS_TOPIC: running.config.eventsTopic,
  });

  it.each([
    ['gets answers over HTTP', 'tests.test_service_over_http'],
    ['counts the stock right through Kafka', 'tests.test_service_through_kafka'],
    ['runs all samples of its README', 'tests.test_readme'],
  ])('%s', { timeout: RUN_MS }, async (_, module) => {
    const output = await runPython(python, ['-m', 'unittest', module], environment());
    expect(output).toMatch(/\nOK\n/);
  });
});

describeOnEachBroker('examples/warehouse', (environment) => {
  let running: RunningService;
  let directory: string;
  let warehouse: { readonly child: ChildProcess; readonly closed: Promise<unknown> } | null = null;
  const lines: string[] = [];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-'));
    running = await RunningService.start(environment);
  });
  afterEach(() => stop());
  afterAll(async () => {
    await running[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });

  const start = () => {
    const main = join(PYTHON_CLIENT, '..', '..', 'examples', 'warehouse', 'main.py');
    const child = spawn(python, ['-B', main], {
      cwd: directory,
      env: {
        ...environment,
        ALLOCATION_URL: running.service.http.url ?? '',
        EVENTS_TOPIC: running.config.eventsTopic,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
    warehouse = { child, closed: once(child, 'close') };
  };
  const stop = async () => {
    warehouse?.child.kill('SIGKILL');
    await warehouse?.closed;
    warehouse = null;
  };
  const sendInTurn = async (...commands: object[]) => {
    for (const command of commands) {
      await running.send(command);
      await running.idle();
    }
  };
  /** Waits for the lines about a product. Those of other products come in between. */
  const printed = (sku: string, ...expected: string[]) =>
    eventually(() => expect(lines.filter((line) => line.includes(sku))).toEqual(expected), {
      withinMs: PATIENCE_MS,
    });

  /** Waits until the next sequence of each product is saved, so that no line is printed twice. */
  const saved = (next: Readonly<Record<string, number>>) =>
    eventually(
      async () => {
        const state = JSON.parse(await readFile(join(directory, 'warehouse.json'), 'utf8'));
        expect(state.order.next).toEqual(next);
      },
      { withinMs: PATIENCE_MS },
    );

  it('prints what to pick and what was taken back, and goes on after a crash', async () => {
    await sendInTurn(
      { type: 'CreateBatch', reference: 'batch-1', sku: 'LAMP', quantity: 5 },
      { type: 'CreateBatch', reference: 'batch-2', sku: 'LAMP', quantity: 5, eta: '2030-01-01' },
      { type: 'CreateBatch', reference: 'batch-3', sku: 'TABLE', quantity: 5 },
      {
        type: 'AllocateOrder',
        orderid: 'order-1',
        lines: [
          { sku: 'LAMP', qty: 2 },
          { sku: 'TABLE', qty: 1 },
        ],
      },
    );
    start();
    await printed('LAMP', 'Pick for order-1: 2 x LAMP of batch-1');
    await printed('TABLE', 'Pick for order-1: 1 x TABLE of batch-3');
    await sendInTurn({ type: 'ChangeBatchQuantity', reference: 'batch-1', quantity: 1 });
    const moved = [
      'Taken back from order-1: 2 x LAMP of batch-1',
      'Pick for order-1: 2 x LAMP of batch-2',
    ];
    await printed('LAMP', 'Pick for order-1: 2 x LAMP of batch-1', ...moved);

    await saved({ LAMP: 7, TABLE: 3 });
    await stop();
    await sendInTurn({ type: 'DeallocateOrder', orderid: 'order-1', sku: 'TABLE' });
    start();
    const table = ['Pick for order-1: 1 x TABLE of batch-3'];
    await printed('TABLE', ...table, 'Taken back from order-1: 1 x TABLE of batch-3');
    expect(lines).toHaveLength(5);
  }, 180_000);
});
