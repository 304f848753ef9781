// @module-tag db

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  inject,
  it,
  vi,
} from 'vitest';
import { readConfig } from '../../src/config.ts';
import { openBroker, openDatabase } from '../../src/connections.ts';
import { markerRecord } from '../../src/dead-letters/markers.ts';
import { redriveRecord, replacementRecord } from '../../src/dead-letters/redrive-records.ts';
import { readCommand } from '../../src/messages/incoming.ts';
import type { Broker } from '../../src/service-layer/broker.ts';
import type { LogRecord } from '../../src/service-layer/records.ts';
import { topicSettings } from '../../src/topic-settings.ts';
import { type CliResult, cliResult, runCliHere } from '../support/cli.ts';
import { readDeadLetters } from '../support/dead-letters.ts';
import { eventually } from '../support/eventually.ts';
import { ServiceProcess } from '../support/service-process.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const cli = fileURLToPath(new URL('../../src/cli/allocation.ts', import.meta.url));

// Each test starts several processes, on a machine that may have other work.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let directory: string;
let environment: Record<string, string>;
const children = new Set<ChildProcess>();

async function freshDirectory(): Promise<void> {
  directory = await mkdtemp(join(tmpdir(), 'allocation-cli-'));
  environment = {
    DATABASE_URL: `sqlite:///${join(directory, 'allocation.db')}`,
    TOPIC_PARTITIONS: '2',
  };
}

async function removeDirectory(): Promise<void> {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
  await rm(directory, { recursive: true, force: true });
}

function launch(
  args: readonly string[],
  more: Record<string, string> = {},
  user: { readonly uid?: number } = {},
): ChildProcess {
  const env = { PATH: process.env.PATH, ...environment, ...more };
  const child = spawn(process.execPath, [cli, ...args], { cwd: directory, env, ...user });
  children.add(child);
  return child;
}

async function outcome(child: ChildProcess, stdin = ''): Promise<CliResult> {
  const output = { stdout: '', stderr: '' };
  child.stdout?.on('data', (chunk) => {
    output.stdout += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    output.stderr += chunk;
  });
  // It may have ended, for a reason that its output tells, before it read anything.
  child.stdin?.on('error', () => {});
  child.stdin?.end(stdin);
  const [code] = await once(child, 'close');
  return cliResult(code, output.stdout, output.stderr);
}

function run(...args: readonly string[]): Promise<CliResult> {
  return runCliHere(environment, directory, args);
}

async function answered(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

async function jsonLines<T = Record<string, unknown>>(
  ...args: readonly string[]
): Promise<readonly T[]> {
  const text = await answered(...args, '--json');
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
}

/** Creates the topics: the stream to publish is empty. */
async function publishNothing(): Promise<void> {
  expect(await outcome(launch(['publish', '-']))).toMatchObject({ code: 0, stderr: '' });
}

function typeOfLine(line: string): string {
  return line.replace(/^\S+ +/, '');
}

function expectOneLine({ stderr }: CliResult): void {
  expect(stderr).toMatch(/^error: .+\n$/);
}

async function noLag(): Promise<void> {
  await eventually(async () => expect((await jsonLines('lag'))[0]).toMatchObject({ total: 0 }), {
    withinMs: 20_000,
  });
}

describe('the command line by itself', () => {
  beforeEach(freshDirectory);
  afterEach(removeDirectory);

  it.each([
    '',
    'nonsense',
    'start now',
    'tail --from middle',
    'tail --count 0',
    'tail --topic nonsense',
    'tail --type Nonsense',
    'tail --topic commands --type Allocated',
    'tail --until-end --from end',
    'lag --bogus',
    'publish',
    'publish Nonsense',
    'publish __proto__ x=1',
    'publish CreateBatch reference',
    'publish CreateBatch reference=b sku=s quantity=1 colour=red',
    'publish CreateBatch reference=b reference=c sku=s quantity=1',
    'publish CreateBatch reference=b sku=s quantity=ten',
    'publish CreateBatch reference=b sku=s quantity=1 eta=2026-02-30',
    'publish AllocateOrder orderid=o sku=s qty=1.5',
    'publish AllocateOrder orderid=o lines=[',
    'publish AllocateOrder orderid=o __proto__=x',
    'publish - sku=s',
    'show',
    'show order',
    'show order a b',
    'dead-letters',
    'dead-letters show',
    'dead-letters redrive',
    'dead-letters discard --all x',
    'dead-letters redrive d/2/4 d/2/6 --edit {}',
    'dead-letters redrive --sku LAMP --edit {}',
    'dead-letters redrive --all --edit {}',
  ])('wrong usage exits 2 and says so on stderr: %s', async (typed) => {
    const { code, stdout, stderr } = await run(...typed.split(' ').filter(Boolean));
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).not.toBe('');
    expect(stderr).not.toContain('    at ');
  });

  it.each([
    '',
    'start',
    'migrate',
    'doctor',
    'publish',
    'tail',
    'lag',
    'show',
    'show order',
    'dead-letters',
    'dead-letters redrive',
  ])('--help teaches by example: %s', async (command) => {
    expect(await answered(...command.split(' ').filter(Boolean), '--help')).toMatch(
      /Examples?:\n {2}\$ .*npx allocation/,
    );
  });

  it.each([
    ['KAFKA_BROKERS', 'localhost'],
    ['EVENTS_TOPIC', 'a b'],
    ['TOPIC_PARTITIONS', '0'],
    ['KAFKA_CREATE_TOPICS', 'maybe'],
    ['HTTP_PORT', '70000'],
    ['LOG_LEVEL', 'loud'],
  ])(
    'a wrong setting stops it with one line that names the variable: %s=%s',
    async (name, value) => {
      for (const command of ['start', 'lag']) {
        const result = await outcome(launch([command], { [name]: value }));
        expect(result).toMatchObject({
          code: 1,
          stdout: '',
          stderr: expect.stringContaining(`${name}=${value} is not valid`),
        });
        expectOneLine(result);
      }
    },
  );

  it('migrate says what it applied, and then that nothing is to do', async () => {
    expect(await answered('migrate')).toMatch(/^Applied .*migration/i);
    expect(await answered('migrate')).toMatch(/nothing to do/);
    expect(await jsonLines('migrate')).toEqual([{ applied: [] }]);
  });

  it.each([
    'publish CreateBatch reference=b sku=s quantity=1',
    'tail',
    'lag',
    'dead-letters list',
    'show order o',
  ])('cannot look into the memory of another process, and says so: %s', async (command) => {
    const result = await outcome(
      launch(command.split(' '), { DATABASE_URL: 'sqlite:///:memory:' }),
    );
    expect(result).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('memory of the service'),
    });
    expectOneLine(result);
  });

  it.each(['127.0.0.1:1', 'broker.invalid:9092'])(
    'a broker that is not there is an error, not a wait: %s',
    async (brokers) => {
      const results = await Promise.all(
        ['tail', 'lag'].map((command) => outcome(launch([command], { KAFKA_BROKERS: brokers }))),
      );
      for (const result of results) {
        expect(result).toMatchObject({
          code: 1,
          stdout: '',
          stderr: expect.stringContaining(brokers),
        });
        expectOneLine(result);
      }
    },
    30_000,
  );

  it('--version prints the version of the package', async () => {
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
    expect(await answered('--version')).toBe(`${version}\n`);
  });

  it.each([
    'show order o',
    'show product s',
    'lag',
    'tail',
    'tail --until-end',
    'dead-letters list',
    'dead-letters show d/0/0',
    'dead-letters redrive --all',
    'replay verify',
    'replay commands',
  ])('creates nothing, and says that there is no database: %s', async (command) => {
    const result = await run(...command.split(' '));
    const file = join(directory, 'allocation.db');
    expect(result).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining(`There is no database sqlite:///${file}: set DATABASE_URL`),
    });
    expectOneLine(result);
    expect(await readdir(directory)).toEqual([]);
  });

  it.skipIf(inject('postgresUrl') === null)(
    'show creates no database on PostgreSQL for a mistyped name',
    async () => {
      const url = new URL(inject('postgresUrl') ?? '');
      url.pathname = '/mistyped';
      const ask = () => outcome(launch(['show', 'order', 'order-1'], { DATABASE_URL: url.href }));
      for (const result of [await ask(), await ask()]) {
        expect(result).toMatchObject({
          code: 1,
          stderr: expect.stringContaining(`There is no database postgresql://${url.host}/mistyped`),
        });
        expectOneLine(result);
      }
    },
  );

  it('verify names --database where that database is missing', async () => {
    await publishNothing();
    const missing = `sqlite:///${join(directory, 'copy.db')}`;
    expect(await run('replay', 'verify', '--database', missing)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`There is no database ${missing}: name an existing`),
    });
  });

  it('rebuild --from-copy creates nothing where the copy is missing', async () => {
    await publishNothing();
    const missing = `sqlite:///${join(directory, 'copy.db')}`;
    const rebuild = ['replay', 'rebuild', '--into', missing, '--from-copy', '--execute'];
    expect(await run(...rebuild)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`There is no database ${missing}: name an existing`),
    });
    expect(await readdir(directory)).not.toContain('copy.db');
  });

  it('tail and list create no topics', async () => {
    await answered('migrate');
    for (const command of ['tail', 'dead-letters list'])
      expect(await run(...command.split(' '))).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('The topics do not exist yet'),
      });
  });

  it('a database without tables is not migrated, and the error names migrate', async () => {
    await writeFile(join(directory, 'allocation.db'), '');
    for (const command of ['show order o', 'lag']) {
      const result = await run(...command.split(' '));
      expect(result).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('npx allocation migrate'),
      });
      expectOneLine(result);
    }
    expect(await readFile(join(directory, 'allocation.db'), 'utf8')).toBe('');
  });

  it('an empty stream to publish creates the topics', async () => {
    await publishNothing();
    expect(await answered('tail', '--until-end')).toBe('');
    expect(await answered('dead-letters', 'list')).toBe('No dead letters\n');
  });

  it('show says what is missing', async () => {
    await answered('migrate');
    expect(await run('show', 'order', 'order-1')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('order-1'),
    });
    expect(await run('show', 'product', 'LAMP')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('LAMP'),
    });
  });
});

describe('the command line beside a running service', () => {
  let service: ServiceProcess;

  beforeAll(async () => {
    await freshDirectory();
    service = await ServiceProcess.start(environment, directory);
    await answered(
      'publish',
      'CreateBatch',
      'reference=batch-1',
      'sku=TABLE',
      'quantity=20',
      'eta=null',
    );
    await answered(
      'publish',
      'CreateBatch',
      'reference=batch-2',
      'sku=TABLE',
      'quantity=5',
      'eta=2027-01-31',
    );
    await answered(
      'publish',
      'AllocateOrder',
      'orderid=order-1',
      'lines=[{"sku":"TABLE","qty":2}]',
      'id=cmd-1',
    );
    await noLag();
  });

  afterAll(async () => {
    await service.stop();
    await removeDirectory();
  });

  it('publish answers with the id and the place', async () => {
    const [place] = await jsonLines(
      'publish',
      'AllocateOrder',
      'orderid=order-1',
      'sku=TABLE',
      'qty=2',
      'id=cmd-1',
    );
    expect(place).toEqual({
      id: 'cmd-1',
      topic: 'allocation.commands',
      partition: 0,
      offset: expect.any(Number),
    });
  });

  it('tail shows the events', async () => {
    const text = await answered('tail', '--from', 'beginning', '--count', '3');
    expect(text).toMatch(/Allocated +orderid=order-1 sku=TABLE qty=2 batchref=batch-1\n/);
    expect(text.trim().split('\n')).toHaveLength(3);
    const events = await jsonLines('tail', '--from', 'beginning', '--count', '3');
    expect(events.find(({ type }) => type === 'Allocated')).toMatchObject({
      specversion: '1.0',
      causationid: 'cmd-1',
      sequence: '3',
      data: { orderid: 'order-1', sku: 'TABLE', qty: 2, batchref: 'batch-1' },
    });
  });

  it('tail chooses by type, product and order, and ends at the end', async () => {
    const chosen = async (...filter: string[]) =>
      (await answered('tail', '--until-end', ...filter)).match(/^\S+ +\w+/gm)?.map(typeOfLine) ??
      [];
    expect(await chosen('--order', 'order-1', '--type', 'Allocated')).toEqual(['Allocated']);
    expect(await chosen('--type', 'BatchCreated', '--sku', 'TABLE', '--count', '1')).toEqual([
      'BatchCreated',
    ]);
    expect(await chosen('--order', 'nobody')).toEqual([]);
    const commands = await jsonLines<{ value: string }>(
      ...['tail', '--until-end', '--topic', 'commands', '--order', 'order-1'],
    );
    expect(commands[0]?.value).toContain('"orderid":"order-1"');
  });

  it('tail ends quietly when its reader has seen enough', async () => {
    const child = launch(['tail', '--from', 'beginning', '--json']);
    const ended = outcome(child);
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    child.stdout?.destroy();
    await answered('publish', 'CreateBatch', 'reference=batch-3', 'sku=CHAIR', 'quantity=5');
    expect(await ended).toMatchObject({ code: 0, stderr: '' });
  });

  it('tail ends with Ctrl-C', async () => {
    const child = launch(['tail', '--from', 'beginning', '--topic', 'commands']);
    const ended = outcome(child);
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    child.kill('SIGINT');
    expect(await ended).toMatchObject({ code: 0, stderr: '' });
  });

  it('show tells of orders and products', async () => {
    expect(await answered('show', 'order', 'order-1')).toMatch(/TABLE +2 +batch-1/);
    expect(await jsonLines('show', 'order', 'order-1')).toEqual([
      { orderid: 'order-1', lines: [{ sku: 'TABLE', qty: 2, batchref: 'batch-1' }] },
    ]);
    expect(await answered('show', 'product', 'TABLE')).toMatch(
      /batch-1 +20 +18 +in stock\nbatch-2 +5 +5 +2027-01-31/,
    );
  });

  it('lag tells where every partition stands', async () => {
    await noLag();
    const [{ partitions }] = (await jsonLines<{ partitions: { end: number }[] }>('lag')) as [
      { partitions: { end: number }[] },
    ];
    expect(partitions.map(({ end }) => end).reduce((sum, end) => sum + end)).toBeGreaterThan(0);
    expect(await answered('lag')).toMatch(/PARTITION +COMMITTED +END +LAG\n0 /);
  });

  it('publish - sends the good lines and names the bad ones', async () => {
    const order = (n: number) =>
      JSON.stringify({ type: 'AllocateOrder', orderid: `stream-${n}`, sku: 'TABLE', qty: 1 });
    const tooLong = `{"type":"${'x'.repeat(2 ** 21)}`;
    const bad = ['{"type":"Nonsense"}', '{"type":"DeallocateOrder"}'];
    const lines = [order(1), 'not json', '', `${order(2)}\r`, tooLong, ...bad, order(3)];
    const { code, stdout, stderr } = await outcome(launch(['publish', '-']), lines.join('\n'));
    expect({ code, stdout }).toEqual({
      code: 1,
      stdout: 'Published 3 commands; 4 bad lines were not sent\n',
    });
    expect(stderr.match(/^line \d+/gm)).toEqual(['line 2', 'line 5', 'line 6', 'line 7']);
    await noLag();
    expect(await answered('show', 'order', 'stream-3')).toMatch(/batch-1/);
  });

  it('publish - sends what comes at once, without waiting for more', async () => {
    const child = launch(['publish', '-', '--json']);
    child.stdin?.write('{"type":"AllocateOrder","orderid":"slow-1","sku":"TABLE","qty":1}\n');
    await eventually(async () => expect((await run('show', 'order', 'slow-1')).code).toBe(0), {
      withinMs: 20_000,
    });
    expect(await outcome(child)).toEqual({
      code: 0,
      stdout: '{"published":1,"bad":0}\n',
      stderr: '',
      audit: [],
    });
  });
});

describe('the dead letters', () => {
  let service: ServiceProcess;
  let broker: Broker;

  beforeEach(async () => {
    await freshDirectory();
    service = await ServiceProcess.start(environment, directory);
    broker = await openBroker(readConfig(environment), pino({ level: 'silent' }));
    await broker.ensureTopics(topicSettings(readConfig(environment)), false);
  });

  afterEach(async () => {
    await broker.close();
    await service.stop();
    await removeDirectory();
  });

  const deadLetters = () =>
    jsonLines<{ id: string; reason: string; original: string }>('dead-letters', 'list');

  async function deadCommand(
    value: string,
    headers: LogRecord['headers'] = {},
    partition = 0,
  ): Promise<string> {
    const why = {
      'dead-letter-reason': 'handler-failed',
      'dead-letter-message': 'The handler failed',
      'dead-letter-topic': 'allocation.commands',
      'dead-letter-partition': String(partition),
      'dead-letter-offset': '4711',
      'dead-letter-attempts': '4',
      'dead-letter-failed-at': '2026-11-23T12:00:00.000Z',
    };
    const [place] = await broker.publish('allocation.dead-letters', [
      { key: 'LAMP', value, headers: { ...headers, ...why } },
    ]);
    return `allocation.dead-letters/${place?.partition}/${place?.offset}`;
  }

  it('are listed, shown whole, and taken off the list', async () => {
    expect(await answered('dead-letters', 'list')).toBe('No dead letters\n');
    await broker.publish('allocation.commands', [
      { key: null, value: Buffer.from([0xff, 0x00]), headers: {} },
      { key: 'k', value: 'not json', headers: { 'x-from': 'shop' } },
    ]);
    await eventually(async () => expect(await deadLetters()).toHaveLength(2), { withinMs: 20_000 });
    const letters = await deadLetters();
    expect(letters.map(({ reason }) => reason)).toEqual(['malformed', 'malformed']);
    const shown = await Promise.all(letters.map(({ id }) => answered('dead-letters', 'show', id)));
    expect(shown.join()).toContain('hexadecimal ff00');
    expect(shown.join()).toMatch(/x-from: shop(.|\n)*not json/);
    const [first, second] = letters.map(({ id }) => id) as [string, string];
    expect(await answered('dead-letters', 'discard', first)).toContain('Nothing is done yet');
    expect(await deadLetters()).toHaveLength(2);
    expect(await answered('dead-letters', 'discard', first, '--execute')).toBe(
      `${first} discarded\n`,
    );
    expect(await answered('dead-letters', 'show', first)).toMatch(
      /resolution:\s+discarded(.|\n)*resolvedBy:\s+\S+@\S+/,
    );
    expect((await deadLetters()).map(({ id }) => id)).toEqual([second]);
    expect(await answered('dead-letters', 'discard', first, '--execute')).toContain(
      'nothing to do',
    );
    expect(await answered('dead-letters', 'discard', '--all', '--execute')).toBe(
      `${second} discarded\n`,
    );
    expect(await answered('dead-letters', 'list')).toBe('No dead letters\n');
    expect(await run('dead-letters', 'redrive', 'nowhere/0/0')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('nowhere/0/0'),
    });
  });

  it('go again to the partition that they came through, while it is there', async () => {
    const command = (reference: string) =>
      `{"type":"CreateBatch","reference":"${reference}","sku":"LAMP","quantity":9}`;
    const [{ partition: ofKey = 0 } = {}] = await broker.publish('allocation.commands', [
      { key: 'LAMP', value: command('first'), headers: {} },
    ]);
    for (const partition of [0, 1, 2])
      await deadCommand(command(`from-${partition}`), {}, partition);
    await answered('dead-letters', 'redrive', '--all', '--execute');
    const tail = ['tail', '--topic', 'commands', '--from', 'beginning', '--count', '4'];
    const commands = await jsonLines<{ partition: number; value: string }>(...tail);
    const places = commands.map(({ partition, value }) => [
      JSON.stringify(value).match(/from-\d|first/)?.[0],
      partition,
    ]);
    // There are two.
    expect(Object.fromEntries(places)).toEqual({
      first: ofKey,
      'from-0': 0,
      'from-1': 1,
      'from-2': ofKey,
    });
  });

  it('are redriven once, however often they are sent', async () => {
    const id = await deadCommand(
      '{"type":"CreateBatch","reference":"batch-9","sku":"LAMP","quantity":9}',
    );
    const [letter] = await readDeadLetters(broker, 'allocation.dead-letters');
    if (!letter) throw new Error('There is no dead letter');
    expect(await answered('dead-letters', 'redrive', id, '--execute')).toBe(`${id} redriven\n`);
    expect(await answered('dead-letters', 'redrive', id, '--execute')).toContain('nothing to do');
    expect(await answered('dead-letters', 'redrive', '--all', '--execute')).toBe(
      'No dead letters\n',
    );
    // What a crash before the marker, or another operator at the same time, would do:
    await broker.publish('allocation.commands', [redriveRecord(letter)]);
    await broker.publish('allocation.dead-letters', [
      markerRecord(letter, 'redriven', 'somebody else', new Date()),
    ]);
    await answered('publish', 'CreateBatch', 'reference=last', 'sku=LAMP', 'quantity=1');
    await noLag();
    const events = await jsonLines<{ type: string; causationid: string }>(
      'tail',
      '--from',
      'beginning',
      '--count',
      '2',
    );
    expect(events.map(({ type, causationid }) => [type, causationid])).toEqual([
      ['BatchCreated', 'allocation.commands/0/4711'],
      ['BatchCreated', expect.stringMatching(/^allocation\.commands\/\d\/\d$/)],
    ]);
    expect(await deadLetters()).toEqual([]);
  });

  it('keep their bytes, key, headers and id when they are redriven', async () => {
    const withId = '{"id":"cmd-1","type":"DeallocateOrder","orderid":"o"}';
    await deadCommand(withId, { 'x-from': 'shop' });
    await deadCommand('{"type":"DeallocateOrder","orderid":"o"}', { traceparent: 'x' });
    await deadCommand('not json');
    const [plainWithId, plain, malformed] = (
      await readDeadLetters(broker, 'allocation.dead-letters')
    ).map((letter) => redriveRecord(letter));
    const once = { 'dead-letter-redrives': '1' };
    expect(plainWithId).toEqual({
      key: Buffer.from('LAMP'),
      value: Buffer.from(withId),
      headers: { 'x-from': expect.anything(), ...once },
    });
    expect(malformed).toEqual({
      key: Buffer.from('LAMP'),
      value: Buffer.from('not json'),
      headers: once,
    });
    const read = readCommand(
      { value: plain?.value as Buffer, headers: plain?.headers ?? {} },
      'its new place',
    );
    expect(read).toMatchObject({
      kind: 'command',
      id: 'allocation.commands/0/4711',
      command: { type: 'DeallocateOrder', orderid: 'o' },
    });
  });

  it('keep their version when they are redriven, or sent again corrected', async () => {
    const dataschema = '/allocation/schemas/DeallocateOrder/1';
    const plain = JSON.stringify({ type: 'DeallocateOrder', dataschema, orderid: 'o' });
    await deadCommand(plain);
    const [letter] = await readDeadLetters(broker, 'allocation.dead-letters');
    if (!letter) throw new Error('There is no dead letter');
    expect(redriveRecord(letter).headers).toMatchObject({
      ce_type: 'DeallocateOrder',
      ce_dataschema: dataschema,
    });
    expect(replacementRecord(letter, plain).headers).toMatchObject({
      ce_type: 'DeallocateOrder',
      ce_dataschema: dataschema,
    });
    expect(
      replacementRecord(letter, '{"type":"DeallocateOrder","orderid":"o"}').headers,
    ).not.toHaveProperty('ce_dataschema');
  });

  it('are corrected from a file, and say into which command', async () => {
    const id = await deadCommand(
      '{"id":"wrong","type":"CreateBatch","reference":"batch-9","sku":"LAMP","quantity":-9}',
    );
    const corrected = '{"type":"CreateBatch","reference":"batch-9","sku":"LAMP","quantity":9}';
    await writeFile(join(directory, 'corrected.json'), corrected);
    const redrive = ['dead-letters', 'redrive', id, '--edit', '@corrected.json'];
    const replacedBy = expect.stringMatching(/^wrong\/edited-1-\w{8}$/);
    const [would] = await jsonLines(...redrive);
    expect(would).toEqual({
      id,
      result: 'would-redrive',
      commandId: 'wrong',
      replacedBy,
      edit: corrected,
    });
    expect(await deadLetters()).toHaveLength(1);
    expect(await answered(...redrive, '--execute')).toBe(
      `${id} redriven as ${would?.replacedBy}\n`,
    );
    const [shown] = await jsonLines('dead-letters', 'show', id);
    expect(shown).toMatchObject({
      resolution: 'redriven',
      replacedBy: would?.replacedBy,
      resolvedBy: expect.stringContaining('@'),
    });
    const [event] = await jsonLines('tail', '--from', 'beginning', '--count', '1');
    expect(event).toMatchObject({ type: 'BatchCreated', causationid: would?.replacedBy });
  });

  it('are corrected one at a time, and a repeat of the correction changes nothing', async () => {
    const wrong = (orderid: string) => `{"type":"AllocateOrder","orderid":"${orderid}","qty":1}`;
    const id = await deadCommand(wrong('one'));
    const other = await deadCommand(wrong('two'));
    const edit = ['--edit', '{"type":"DeallocateOrder","orderid":"one"}', '--execute'];
    await answered('dead-letters', 'redrive', id, ...edit);
    expect(await run('dead-letters', 'redrive', id, other, ...edit)).toMatchObject({ code: 2 });
    expect(await answered('dead-letters', 'redrive', id, ...edit)).toBe(
      `${id} was redriven before: nothing to do\n`,
    );
    const another = ['--edit', '{"type":"DeallocateOrder","orderid":"three"}', '--execute'];
    expect(await run('dead-letters', 'redrive', id, ...another)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('the edited command was not sent'),
    });
    expect((await deadLetters()).map((letter) => letter.id)).toEqual([other]);
  });

  it('are listed with the type, order and products of their command', async () => {
    await deadCommand('{"type":"AllocateOrder","orderid":"o\u202e1","sku":"LAMP","qty":1}');
    const list = await answered('dead-letters', 'list');
    expect(list).toMatch(/^ID +REASON +COMMAND +ORDER +SKU +FAILED AT +ORIGINAL +MESSAGE\n/);
    expect(list).toMatch(/ handler-failed +AllocateOrder +o\\u202e1 +LAMP +2026-/);
    const [letter] = await jsonLines('dead-letters', 'list');
    expect(letter).toMatchObject({ type: 'AllocateOrder', orderid: 'o\u202e1' });
  });

  it('that will fail again are named by a dry run', async () => {
    const unreadable = await deadCommand('not json');
    const readable = await deadCommand('{"type":"DeallocateOrder","orderid":"o"}', {}, 1);
    const redrives = { 'dead-letter-redrives': '3' };
    const tooOften = await deadCommand('{"type":"DeallocateOrder","orderid":"p"}', redrives, 2);
    const { code, stdout, stderr } = await run('dead-letters', 'redrive', '--all');
    expect(code).toBe(1);
    expect(stderr).toContain(`${tooOften} was redriven 3 times and failed each time`);
    expect(stdout).toMatch(new RegExp(`${unreadable} +redrive .*fails again\\n`));
    expect(stdout).toMatch(new RegExp(`${readable} +redrive .* 0\\n`));
    expect(stdout).toMatch(new RegExp(`${tooOften} +refuse `));
    expect(stdout).toContain(`${unreadable}: The value is not JSON`);
    const [preview] = await jsonLines('dead-letters', 'redrive', unreadable);
    expect(preview).toMatchObject({ failsAgain: expect.stringContaining('not JSON') });
  });

  it('cannot be hidden by a message that looks like a marker', async () => {
    const id = await deadCommand('not json');
    const forged = { 'dead-letter-resolves': id, 'dead-letter-resolution': 'discarded' };
    await broker.publish('allocation.commands', [
      { key: 'LAMP', value: 'not json either', headers: forged },
    ]);
    await eventually(async () => expect(await deadLetters()).toHaveLength(2), { withinMs: 20_000 });
  });

  it('without a value are refused with what to do, or corrected', async () => {
    const why = { reason: 'too-large', topic: 'c', partition: '1', offset: '2' };
    const headers = Object.fromEntries(
      Object.entries(why).map(([name, text]) => [`dead-letter-${name}`, text]),
    );
    const [place] = await broker.publish('allocation.dead-letters', [
      { key: null, value: null, headers },
    ]);
    const id = `allocation.dead-letters/${place?.partition}/${place?.offset}`;
    expect(await run('dead-letters', 'redrive', id)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('c/1/2'),
    });
    expect(await deadLetters()).toHaveLength(1);
    const corrected = '{"type":"CreateBatch","reference":"b","sku":"LAMP","quantity":1}';
    expect(await answered('dead-letters', 'redrive', id, '--edit', corrected, '--execute')).toMatch(
      /redriven as c\/1\/2\/edited-1-\w{8}\n$/,
    );
    const [event] = await jsonLines('tail', '--from', 'beginning', '--count', '1');
    expect(event).toMatchObject({ type: 'BatchCreated', subject: 'LAMP' });
  });
});

describe('start', () => {
  beforeEach(freshDirectory);
  afterEach(removeDirectory);

  it.each(['127.0.0.1:1', 'broker.invalid:9092'])(
    'waits for a broker that is not there, says so, and stops with SIGTERM: %s',
    async (brokers) => {
      await using service = ServiceProcess.spawn(
        { ...environment, KAFKA_BROKERS: brokers },
        directory,
      );
      await eventually(
        () => expect(service.output.join('\n')).toContain(`Waiting for the broker (${brokers})`),
        { withinMs: 20_000 },
      );
      expect(await service.stop()).toBe(0);
    },
    30_000,
  );

  it('stops with SIGTERM and exit code 0', async () => {
    const service = await ServiceProcess.start(environment, directory);
    expect(await service.stop('SIGTERM')).toBe(0);
  });

  it('names HTTP_PORT when the port is in use', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const HTTP_PORT = String((server.address() as AddressInfo).port);
    const result = await outcome(launch(['start'], { HTTP_PORT }));
    server.close();
    expect(result).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(`${HTTP_PORT}.*in use.*HTTP_PORT`),
    });
    expectOneLine(result);
  });

  it('refuses a file that cannot be opened', async () => {
    const DATABASE_URL = 'sqlite:////proc/no/such.db';
    const result = await outcome(launch(['start'], { DATABASE_URL, HTTP_PORT: '0' }));
    expect(result.code).toBe(1);
    expectOneLine(result);
  }, 30_000);

  it('refuses a file that it may not write', async () => {
    await answered('migrate');
    const file = join(directory, 'allocation.db');
    await chmod(file, 0o444);
    await chmod(directory, 0o755);
    const isRoot = process.getuid?.() === 0;
    // To root, everything is writable: another user runs it.
    if (isRoot) await chown(directory, NOBODY, NOBODY);
    const result = await outcome(
      launch(['start'], { HTTP_PORT: '0' }, isRoot ? { uid: NOBODY } : {}),
    );
    expect(result).toMatchObject({ code: 1, stderr: expect.stringMatching(/read-?only|writ/i) });
    expectOneLine(result);
  });

  it('refuses a database from a newer version', async () => {
    await answered('migrate');
    const database = await openDatabase(readConfig(environment));
    await database.query(
      `insert into mikro_orm_migrations (name, executed_at)
       values ('migration-29991231000000', '2999-12-31')`,
    );
    await database.close();
    const result = await outcome(launch(['start'], { HTTP_PORT: '0' }));
    expect(result).toMatchObject({ code: 1, stderr: expect.stringContaining('newer version') });
    expectOneLine(result);
  });
});

const NOBODY = 65_534;
