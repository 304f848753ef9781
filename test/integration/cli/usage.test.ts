// @module-tag db

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { expectOneLine, outcomeOf, Shell } from '../../support/shell.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
// Each test starts several processes, on a machine that may have other work.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let shell: Shell;

beforeEach(async () => {
  shell = await Shell.open();
});

afterEach(() => shell.close());

describe('the command line by itself', () => {
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
    const { code, stdout, stderr } = await shell.run(...typed.split(' ').filter(Boolean));
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
    expect(await shell.expectAnswer(...command.split(' ').filter(Boolean), '--help')).toMatch(
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
        const result = await outcomeOf(shell.launch([command], { [name]: value }));
        expect(result).toMatchObject({
          code: 1,
          stdout: '',
          stderr: expect.stringContaining(`${name}=${value} is not valid`),
        });
        expectOneLine(result);
      }
    },
  );

  it('--version prints the version of the package', async () => {
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
    expect(await shell.expectAnswer('--version')).toBe(`${version}\n`);
  });
});
