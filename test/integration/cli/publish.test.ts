// @module-tag db

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { outcomeOf, type Shell } from '../../support/shell.ts';
import { openStockedShell, type StockedShell } from '../../support/stocked-shell.ts';

// Each test starts several processes, on a machine that may have other work.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let shell: Shell;
let stocked: StockedShell;

beforeAll(async () => {
  stocked = await openStockedShell();
  ({ shell } = stocked);
});

afterAll(() => stocked.close());

describe('the command line beside a running service', () => {
  it('publish answers with the id and the place', async () => {
    const [place] = await shell.expectJsonLines(
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

  it('publish - sends the good lines and names the bad ones', async () => {
    const order = (n: number) =>
      JSON.stringify({ type: 'AllocateOrder', orderid: `stream-${n}`, sku: 'TABLE', qty: 1 });
    const tooLong = `{"type":"${'x'.repeat(2 ** 21)}`;
    const bad = ['{"type":"Nonsense"}', '{"type":"DeallocateOrder"}'];
    const lines = [order(1), 'not json', '', `${order(2)}\r`, tooLong, ...bad, order(3)];
    const { code, stdout, stderr } = await outcomeOf(
      shell.launch(['publish', '-']),
      lines.join('\n'),
    );
    expect({ code, stdout }).toEqual({
      code: 1,
      stdout: 'Published 3 commands; 4 bad lines were not sent\n',
    });
    expect(stderr.match(/^line \d+/gm)).toEqual(['line 2', 'line 5', 'line 6', 'line 7']);
    await shell.expectNoLag();
    expect(await shell.expectAnswer('show', 'order', 'stream-3')).toMatch(/batch-1/);
  });

  it('publish - sends what comes at once, without waiting for more', async () => {
    const child = shell.launch(['publish', '-', '--json']);
    child.stdin?.write('{"type":"AllocateOrder","orderid":"slow-1","sku":"TABLE","qty":1}\n');
    await eventually(
      async () => expect((await shell.run('show', 'order', 'slow-1')).code).toBe(0),
      {
        withinMs: 20_000,
      },
    );
    expect(await outcomeOf(child)).toEqual({
      code: 0,
      stdout: '{"published":1,"bad":0}\n',
      stderr: '',
      audit: [],
    });
  });
});
