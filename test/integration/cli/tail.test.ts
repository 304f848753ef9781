// @module-tag db

import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
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
  it('tail shows the events', async () => {
    const text = await shell.expectAnswer('tail', '--from', 'beginning', '--count', '3');
    expect(text).toMatch(/Allocated +orderid=order-1 sku=TABLE qty=2 batchref=batch-1\n/);
    expect(text.trim().split('\n')).toHaveLength(3);
    const events = await shell.expectJsonLines('tail', '--from', 'beginning', '--count', '3');
    expect(events.find(({ type }) => type === 'Allocated')).toMatchObject({
      specversion: '1.0',
      causationid: 'cmd-1',
      sequence: '3',
      data: { orderid: 'order-1', sku: 'TABLE', qty: 2, batchref: 'batch-1' },
    });
  });

  it('tail chooses by type, product and order, and ends at the end', async () => {
    const chosen = async (...filter: string[]) =>
      (await shell.expectAnswer('tail', '--until-end', ...filter))
        .match(/^\S+ +\w+/gm)
        ?.map(typeOfLine) ?? [];
    expect(await chosen('--order', 'order-1', '--type', 'Allocated')).toEqual(['Allocated']);
    expect(await chosen('--type', 'BatchCreated', '--sku', 'TABLE', '--count', '1')).toEqual([
      'BatchCreated',
    ]);
    expect(await chosen('--order', 'nobody')).toEqual([]);
    const commands = await shell.expectJsonLines<{ value: string }>(
      ...['tail', '--until-end', '--topic', 'commands', '--order', 'order-1'],
    );
    expect(commands[0]?.value).toContain('"orderid":"order-1"');
  });

  it('tail ends quietly when its reader has seen enough', async () => {
    const child = shell.launch(['tail', '--from', 'beginning', '--json']);
    const ended = outcomeOf(child);
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    child.stdout?.destroy();
    await shell.expectAnswer(
      'publish',
      'CreateBatch',
      'reference=batch-3',
      'sku=CHAIR',
      'quantity=5',
    );
    expect(await ended).toMatchObject({ code: 0, stderr: '' });
  });

  it('tail ends with Ctrl-C', async () => {
    const child = shell.launch(['tail', '--from', 'beginning', '--topic', 'commands']);
    const ended = outcomeOf(child);
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    child.kill('SIGINT');
    expect(await ended).toMatchObject({ code: 0, stderr: '' });
  });
});

function typeOfLine(line: string): string {
  return line.replace(/^\S+ +/, '');
}
