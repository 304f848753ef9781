// @module-tag db

import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { expectOneLine, outcomeOf, Shell } from '../../support/shell.ts';

// Each test starts several processes, on a machine that may have other work.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let shell: Shell;

beforeEach(async () => {
  shell = await Shell.open();
});

afterEach(() => shell.close());

describe('the command line by itself', () => {
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
    const result = await shell.run(...command.split(' '));
    const file = join(shell.directory, 'allocation.db');
    expect(result).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining(`There is no database sqlite:///${file}: set DATABASE_URL`),
    });
    expectOneLine(result);
    expect(await readdir(shell.directory)).toEqual([]);
  });

  it.skipIf(inject('postgresUrl') === null)(
    'show creates no database on PostgreSQL for a mistyped name',
    async () => {
      const url = new URL(inject('postgresUrl') ?? '');
      url.pathname = '/mistyped';
      const ask = () =>
        outcomeOf(shell.launch(['show', 'order', 'order-1'], { DATABASE_URL: url.href }));
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
    await shell.expectTopicsCreated();
    const missing = `sqlite:///${join(shell.directory, 'copy.db')}`;
    expect(await shell.run('replay', 'verify', '--database', missing)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`There is no database ${missing}: name an existing`),
    });
  });

  it('rebuild --from-copy creates nothing where the copy is missing', async () => {
    await shell.expectTopicsCreated();
    const missing = `sqlite:///${join(shell.directory, 'copy.db')}`;
    const rebuild = ['replay', 'rebuild', '--into', missing, '--from-copy', '--execute'];
    expect(await shell.run(...rebuild)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`There is no database ${missing}: name an existing`),
    });
    expect(await readdir(shell.directory)).not.toContain('copy.db');
  });

  it('tail and list create no topics', async () => {
    await shell.expectAnswer('migrate');
    for (const command of ['tail', 'dead-letters list'])
      expect(await shell.run(...command.split(' '))).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('The topics do not exist yet'),
      });
  });

  it('a database without tables is not migrated, and the error names migrate', async () => {
    await writeFile(join(shell.directory, 'allocation.db'), '');
    for (const command of ['show order o', 'lag']) {
      const result = await shell.run(...command.split(' '));
      expect(result).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('npx allocation migrate'),
      });
      expectOneLine(result);
    }
    expect(await readFile(join(shell.directory, 'allocation.db'), 'utf8')).toBe('');
  });

  it('an empty stream to publish creates the topics', async () => {
    await shell.expectTopicsCreated();
    expect(await shell.expectAnswer('tail', '--until-end')).toBe('');
    expect(await shell.expectAnswer('dead-letters', 'list')).toBe('No dead letters\n');
  });
});
