// @module-tag db

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Shell } from '../../support/shell.ts';

// Each test starts several processes, on a machine that may have other work.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let shell: Shell;

beforeEach(async () => {
  shell = await Shell.open();
});

afterEach(() => shell.close());

describe('the command line by itself', () => {
  it('migrate says what it applied, and then that nothing is to do', async () => {
    expect(await shell.expectAnswer('migrate')).toMatch(/^Applied .*migration/i);
    expect(await shell.expectAnswer('migrate')).toMatch(/nothing to do/);
    expect(await shell.expectJsonLines('migrate')).toEqual([{ applied: [] }]);
  });

  it('show says what is missing', async () => {
    await shell.expectAnswer('migrate');
    expect(await shell.run('show', 'order', 'order-1')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('order-1'),
    });
    expect(await shell.run('show', 'product', 'LAMP')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('LAMP'),
    });
  });
});
