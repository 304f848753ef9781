// @module-tag db

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { EmbeddedBroker } from '../../src/adapters/broker/embedded/broker.ts';
import { Database } from '../../src/adapters/database/database.ts';
import { readConfig } from '../../src/config.ts';
import { topicSettings } from '../../src/topic-settings.ts';
import { type CliResult, runCliHere } from '../support/cli.ts';

/** Clears a screen, changes colours, moves the cursor, turns text around, and begins a line. */
const BIDI = '\u202e\u2066\u200f';
const HOSTILE = `\u001b[31m\u009b2J\r\u0007${BIDI}\nFORGED: all is well`;
/** What a name may have: no control characters, but these. */
const NAME = `lamp${BIDI}`;
/** Matches what a terminal obeys, and what shows text in another order. */
const OBEYED = /[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

const AUDIT_TOPIC = 'allocation.audit';
const program = fileURLToPath(new URL('../../src/cli/allocation.ts', import.meta.url));

const environmentOf = (directory: string) => ({
  DATABASE_URL: `sqlite:///${join(directory, 'allocation.db')}`,
  TOPIC_PARTITIONS: '1',
  AUDIT_TOPIC,
});

/** Writes text of others wherever they can write. */
async function plant(directory: string): Promise<void> {
  const config = readConfig(environmentOf(directory));
  const database = await Database.open(config.databaseUrl);
  await database.runMigrations();
  const broker = new EmbeddedBroker(database);
  const audit = { name: AUDIT_TOPIC, partitions: 1, maxMessageBytes: 1_000_000 };
  const copies = { ...audit, name: 'copies' };
  await broker.ensureTopics([...topicSettings(config), audit, copies], true);
  for (const [topic, records] of Object.entries({
    'allocation.commands': commands(),
    'allocation.events': events(),
    'allocation.dead-letters': deadLetters(),
    [AUDIT_TOPIC]: [{ value: { act: HOSTILE }, headers: { ce_source: '/allocation/audit' } }],
  }))
    await broker.publish(
      topic,
      records.map(({ value, headers }) => ({
        key: HOSTILE,
        value: value === null || typeof value === 'string' ? value : JSON.stringify(value),
        headers: { ce_type: HOSTILE, ...headers },
      })),
    );
  await database.query('insert into products (sku, version) values (?, 1)', [NAME]);
  await database.query(
    'insert into batches (id, reference, sku, quantity, allocated_quantity) values (1, ?, ?, 9, 1)',
    [HOSTILE, NAME],
  );
  await database.query("insert into order_lines (id, orderid, sku, qty) values (1, 'o', ?, 1)", [
    NAME,
  ]);
  await database.query('insert into allocations (id, batch_id, orderline_id) values (1, 1, 1)');
  await broker.close();
  await database.close();
}

interface Planted {
  readonly value: object | string | null;
  readonly headers: Record<string, string>;
}

function commands(): readonly Planted[] {
  return [
    { value: HOSTILE, headers: { [`x-${HOSTILE}`]: HOSTILE } },
    { value: { type: HOSTILE, id: NAME }, headers: {} },
  ];
}

function events(): readonly Planted[] {
  const ours = { ce_source: '/allocation' };
  const data = { orderid: HOSTILE, sku: NAME, [HOSTILE]: HOSTILE };
  return [
    { value: data, headers: ours },
    {
      value: { events: [{ type: HOSTILE, data }] },
      headers: { ...ours, ce_type: 'CompositeDomainEvent' },
    },
    { value: { events: [null] }, headers: { ...ours, ce_type: 'CompositeDomainEvent' } },
    { value: HOSTILE, headers: { ce_source: HOSTILE, ce_id: HOSTILE } },
  ];
}

function deadLetters(): readonly Planted[] {
  const letter = (value: Planted['value'], headers: Planted['headers']): Planted => ({
    value,
    headers: Object.fromEntries(
      Object.entries({
        reason: 'handler-failed',
        message: HOSTILE,
        topic: HOSTILE,
        partition: HOSTILE,
        offset: HOSTILE,
        attempts: HOSTILE,
        'failed-at': '2026-11-23T12:00:00Z',
        'command-id': NAME,
        'command-identity': `${HOSTILE}\t${NAME}`,
        skus: JSON.stringify([NAME, HOSTILE]),
        behind: '[]',
        position: '1',
        ...headers,
      }).map(([name, text]) => [`dead-letter-${name}`, text]),
    ),
  });
  return [
    letter({ type: 'DeallocateOrder', orderid: NAME, id: NAME }, {}),
    letter({ type: HOSTILE }, { reason: HOSTILE }),
    letter(HOSTILE, { reason: 'malformed' }),
    letter(null, { reason: 'too-large', redrives: HOSTILE }),
    letter({ type: HOSTILE }, { 'command-identity': `${BIDI}\t${NAME}` }),
    {
      value: null,
      headers: {
        'dead-letter-resolves': 'allocation.dead-letters/0/1',
        'dead-letter-resolution': HOSTILE,
        'dead-letter-resolved-at': HOSTILE,
        'dead-letter-resolved-by': HOSTILE,
        'dead-letter-replaced-by': HOSTILE,
      },
    },
  ];
}

describe('text of others', () => {
  let planted: string;
  let directory: string;

  beforeAll(async () => {
    planted = await mkdtemp(join(tmpdir(), 'allocation-planted-'));
    await plant(planted);
  });
  afterAll(() => rm(planted, { recursive: true, force: true }));
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-hostile-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const expectHarmless = ({ stdout, stderr }: Pick<CliResult, 'stdout' | 'stderr'>) => {
    const lines = `${stdout}\n${stderr}`.split('\n');
    expect(lines.filter((line) => OBEYED.test(line))).toEqual([]);
    expect(lines.filter((line) => line.startsWith('FORGED'))).toEqual([]);
  };

  it.each([
    ['tail --topic commands --until-end', 'FORGED'],
    ['tail --topic events --until-end', 'FORGED'],
    ['tail --topic dead-letters --until-end', 'FORGED'],
    ['tail --topic audit --until-end', 'FORGED'],
    ['dead-letters list', 'FORGED'],
    ['dead-letters show allocation.dead-letters/0/0', 'FORGED'],
    ['dead-letters show allocation.dead-letters/0/1', 'FORGED'],
    ['dead-letters redrive --all', 'FORGED'],
    ['dead-letters redrive --id <name>', 'FORGED'],
    ['dead-letters redrive allocation.dead-letters/0/2 --execute', 'redriven'],
    ['dead-letters redrive allocation.dead-letters/0/3', 'FORGED'],
    ['dead-letters discard --all', 'FORGED'],
    ['dead-letters discard --all --execute', 'discarded'],
    ['replay rebuild --into sqlite:///./rebuilt.db --execute', 'is not'],
    ['replay verify', 'is not'],
    ['replay verify --skip-foreign', 'lamp'],
    ['replay commands --execute', 'is not'],
    ['replay events --to-topic copies --execute', 'foreign'],
    ['show order o', 'FORGED'],
    ['show product <name>', 'FORGED'],
    ['show product <text>', 'There is no product'],
    ['nonsense<text>', 'unknown command'],
  ])('cannot command the terminal: %s', async (typed, part) => {
    const texts: Record<string, string> = { '<name>': NAME, '<text>': HOSTILE };
    const wordsOf = (text: string) => text.replace(/<\w+>/, (name) => texts[name] ?? name);
    for (const json of [[], ['--json']]) {
      const here = join(directory, `copy${json.join('')}`);
      await cp(planted, here, { recursive: true });
      const words = [...typed.split(' ').map(wordsOf), ...json];
      const result = await runCliHere(environmentOf(here), here, words);
      expectHarmless(result);
      expect(result.stdout + result.stderr).toContain(part);
    }
  });

  it('cannot command the terminal in complaints about the lines of a stream', async () => {
    await cp(planted, directory, { recursive: true });
    const child = spawn(process.execPath, [program, 'publish', '-'], {
      cwd: directory,
      env: { PATH: process.env.PATH, ...environmentOf(directory) },
    });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const)
      child[name].on('data', (chunk) => {
        output[name] += chunk;
      });
    child.stdin.end(`${JSON.stringify({ type: HOSTILE })}\n\u009b2J\u202e\n`);
    await once(child, 'close');
    expectHarmless(output);
    expect(output.stderr).toMatch(/^line 1: .*FORGED.*\nline 2: .*\n$/);
  });
});
