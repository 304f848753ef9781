// @module-tag db

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Shell } from '../../support/shell.ts';
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
  it('show tells of orders and products', async () => {
    expect(await shell.expectAnswer('show', 'order', 'order-1')).toMatch(/TABLE +2 +batch-1/);
    expect(await shell.expectJsonLines('show', 'order', 'order-1')).toEqual([
      { orderid: 'order-1', lines: [{ sku: 'TABLE', qty: 2, batchref: 'batch-1' }] },
    ]);
    expect(await shell.expectAnswer('show', 'product', 'TABLE')).toMatch(
      /batch-1 +20 +18 +in stock\nbatch-2 +5 +5 +2027-01-31/,
    );
  });

  it('lag tells where every partition stands', async () => {
    await shell.expectNoLag();
    const [{ partitions }] = (await shell.expectJsonLines<{ partitions: { end: number }[] }>(
      'lag',
    )) as [{ partitions: { end: number }[] }];
    expect(partitions.map(({ end }) => end).reduce((sum, end) => sum + end)).toBeGreaterThan(0);
    expect(await shell.expectAnswer('lag')).toMatch(/PARTITION +COMMITTED +END +LAG\n0 /);
  });
});
