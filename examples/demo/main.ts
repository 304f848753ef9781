/* One minute of the service with faults at a key: `npm run demo`. A shop orders, a warehouse picks,
 * and the service answers each command once, whatever you do to it. */

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import pino from 'pino';
import { readConfig } from '../../src/config.ts';
import { openExistingBroker } from '../../src/connections.ts';
import { Program } from './program.ts';

const LOCK_MS = 10_000;
const LOOK_MS = 1_000;
const SHOP_PAUSE_MS = 1_500;
const fileOf = (path: string) => join(import.meta.dirname, path);

const directory = await mkdtemp(join(tmpdir(), 'allocation-demo-'));
const databaseFile = join(directory, 'demo.db');
const url = `http://127.0.0.1:${await freePort()}`;
const settings = {
  DATABASE_URL: `sqlite:///${databaseFile}`,
  HTTP_PORT: new URL(url).port,
  LOG_LEVEL: 'fatal',
};
const { PATH, HOME, TMPDIR } = process.env;
const environment = {
  ...{ PATH, HOME, TMPDIR, PYTHONDONTWRITEBYTECODE: '1' },
  ...{ ...settings, ALLOCATION_URL: url },
};
const common = { cwd: directory, environment };
let answers = 0;
let picks = 0;

const service = new Program({
  ...common,
  command: [process.execPath, fileOf('../../src/cli/allocation.ts'), 'start'],
  pauseMs: 0,
  onLine: () => {},
});
const shop = new Program({
  ...common,
  // kafkajs 2.2.4 sets timers with negative delays, and Node warns of them.
  command: [
    process.execPath,
    '--disable-warning=TimeoutNegativeWarning',
    fileOf('../shop/main.ts'),
  ],
  pauseMs: SHOP_PAUSE_MS,
  onLine: (line) => {
    if (line.startsWith('  ')) answers += 1;
  },
});
const warehouse = new Program({
  ...common,
  command: ['python3', fileOf('../warehouse/main.py')],
  pauseMs: SHOP_PAUSE_MS,
  onLine: (line) => {
    if (line.startsWith('Pick')) picks += 1;
  },
});

say(`The service has a page: ${url}/
A shop orders, and a warehouse picks what is allocated. Throw a fault with a key:

  k  kill the service (SIGKILL); it is started again at once
  b  lock the log for ${LOCK_MS / 1_000} s, so that nothing can be written
  p  poison: send an order that nobody can read
  s  shrink a batch, so that its orders move to another one
  q  quit
`);
const closing = Promise.withResolvers<void>();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => closing.resolve());
const looking = setInterval(() => void showStatus(), LOOK_MS);
let unlock = () => {};
listenToKeys();
await closing.promise;

clearInterval(looking);
if (process.stdin.isTTY) process.stdin.setRawMode(false);
process.stdin.destroy();
say('Stopping …');
unlock();
await Promise.all([shop.stop(), warehouse.stop()]);
await service.stop();
await rm(directory, { recursive: true, force: true, maxRetries: 5 });
say('Nothing is left behind.');

/** Finds a port that the service has again after each start. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function listenToKeys(): void {
  const acts: Readonly<Record<string, () => unknown>> = {
    k: kill,
    b: lockLog,
    p: poison,
    s: shrink,
    q: closing.resolve,
    '\u0003': closing.resolve,
  };
  if (process.stdin.isTTY) process.stdin.setRawMode(true);
  process.stdin.on('data', async (keys) => {
    for (const key of String(keys))
      try {
        await acts[key]?.();
      } catch (error) {
        say(`That did not work: ${(error as Error).message}`);
      }
  });
}

function kill(): void {
  say('The service is killed. What it has accepted is in the log, so nothing is lost.');
  service.kill();
}

/** Locks the file of the log and the database, as another process or a slow disk does. */
function lockLog(): void {
  unlock();
  const lock = new SqliteDatabase(databaseFile, { timeout: LOCK_MS });
  lock.exec('begin immediate');
  say(`The log is locked for ${LOCK_MS / 1_000} s. The shop waits, and then goes on.`);
  const timer = setTimeout(() => unlock(), LOCK_MS);
  unlock = () => {
    clearTimeout(timer);
    unlock = () => {};
    lock.exec('rollback');
    lock.close();
    say('The log is free again.');
  };
}

/** Writes to the log what the HTTP API would refuse. */
async function poison(): Promise<void> {
  const config = readConfig(settings);
  const broker = await openExistingBroker(config, pino({ level: 'silent' }));
  const value = '{"type":"AllocateOrder","orderid":"poisoned","sku":"TABLE","qty":"many"}';
  const [place] = await broker.publish(config.commandsTopic, [{ key: null, value, headers: {} }]);
  await broker.close();
  say(
    `The message ${place?.partition}/${place?.offset} is no command. It becomes a dead letter, ` +
      `and the lane goes on. See ${url}/, or: npx allocation dead-letters list`,
  );
}

interface ListedBatch {
  readonly reference: string;
  readonly quantity: number;
  readonly availableQuantity: number;
}

async function shrink(): Promise<void> {
  const answer = await fetch(`${url}/batches?sort=-created&limit=100`);
  const { batches } = (await answer.json()) as { readonly batches: readonly ListedBatch[] };
  const batch = batches.find(({ quantity, availableQuantity }) => availableQuantity < quantity);
  if (!batch) return say('No batch has allocated lines yet.');
  const { reference, quantity, availableQuantity } = batch;
  const left = Math.floor((quantity - availableQuantity) / 2);
  await fetch(`${url}/commands`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ type: 'ChangeBatchQuantity', reference, quantity: left }),
  });
  say(`${reference} has ${left} instead of ${quantity}. Its last lines are allocated anew.`);
}

/** What `GET /status` says, as far as the line needs it. */
interface Status {
  readonly isReady: boolean;
  readonly problems: readonly string[];
  readonly lanes: readonly { readonly lagMessages: number | null }[];
  readonly deadLetters: { readonly open: number | null };
}

async function showStatus(): Promise<void> {
  const picked = warehouse.problem === null ? `${picks} picks` : 'no warehouse (needs python3)';
  const counts = `${answers} answers, ${picked}`;
  try {
    const answer = await fetch(`${url}/status`, { signal: AbortSignal.timeout(LOOK_MS) });
    const { isReady, problems, lanes, deadLetters } = (await answer.json()) as Status;
    const lag = lanes.reduce((sum, { lagMessages }) => sum + (lagMessages ?? 0), 0);
    const health = isReady ? 'well' : (problems[0] ?? 'not ready');
    show(`${health} | ${counts} | lag ${lag} | dead letters ${deadLetters.open ?? '?'}`);
  } catch {
    show(`the service does not answer | ${counts}`);
  }
}

/** Shows the line of status in one place of a terminal; elsewhere each line once. */
function show(line: string): void {
  const { columns = 80, isTTY } = process.stdout;
  process.stdout.write(isTTY ? `\r\u001b[K${line.slice(0, columns - 1)}` : `${line}\n`);
}

function say(text: string): void {
  process.stdout.write(`${process.stdout.isTTY ? '\r\u001b[K' : ''}${text}\n`);
}
