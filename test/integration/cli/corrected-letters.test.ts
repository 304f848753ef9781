// @module-tag db

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Broker } from '../../../src/service-layer/broker.ts';
import { LetterDesk } from '../../support/letter-desk.ts';
import type { Shell } from '../../support/shell.ts';

// Each test starts several processes, on a machine that may have other work.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let desk: LetterDesk;
let shell: Shell;
let broker: Broker;

beforeEach(async () => {
  desk = await LetterDesk.open();
  ({ shell, broker } = desk);
});

afterEach(() => desk.close());

describe('the dead letters', () => {
  it('are corrected from a file, and say into which command', async () => {
    const id = await desk.addLetter(
      '{"id":"wrong","type":"CreateBatch","reference":"batch-9","sku":"LAMP","quantity":-9}',
    );
    const corrected = '{"type":"CreateBatch","reference":"batch-9","sku":"LAMP","quantity":9}';
    await writeFile(join(shell.directory, 'corrected.json'), corrected);
    const redrive = ['dead-letters', 'redrive', id, '--edit', '@corrected.json'];
    const replacedBy = expect.stringMatching(/^wrong\/edited-1-\w{8}$/);
    const [would] = await shell.expectJsonLines(...redrive);
    expect(would).toEqual({
      id,
      result: 'would-redrive',
      commandId: 'wrong',
      replacedBy,
      edit: corrected,
    });
    expect(await desk.expectList()).toHaveLength(1);
    expect(await shell.expectAnswer(...redrive, '--execute')).toBe(
      `${id} redriven as ${would?.replacedBy}\n`,
    );
    const [shown] = await shell.expectJsonLines('dead-letters', 'show', id);
    expect(shown).toMatchObject({
      resolution: 'redriven',
      replacedBy: would?.replacedBy,
      resolvedBy: expect.stringContaining('@'),
    });
    const [event] = await shell.expectJsonLines('tail', '--from', 'beginning', '--count', '1');
    expect(event).toMatchObject({ type: 'BatchCreated', causationid: would?.replacedBy });
  });

  it('are corrected one at a time, and a repeat of the correction changes nothing', async () => {
    const wrong = (orderid: string) => `{"type":"AllocateOrder","orderid":"${orderid}","qty":1}`;
    const id = await desk.addLetter(wrong('one'));
    const other = await desk.addLetter(wrong('two'));
    const edit = ['--edit', '{"type":"DeallocateOrder","orderid":"one"}', '--execute'];
    await shell.expectAnswer('dead-letters', 'redrive', id, ...edit);
    expect(await shell.run('dead-letters', 'redrive', id, other, ...edit)).toMatchObject({
      code: 2,
    });
    expect(await shell.expectAnswer('dead-letters', 'redrive', id, ...edit)).toBe(
      `${id} was redriven before: nothing to do\n`,
    );
    const another = ['--edit', '{"type":"DeallocateOrder","orderid":"three"}', '--execute'];
    expect(await shell.run('dead-letters', 'redrive', id, ...another)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('the edited command was not sent'),
    });
    expect((await desk.expectList()).map((letter) => letter.id)).toEqual([other]);
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
    expect(await shell.run('dead-letters', 'redrive', id)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('c/1/2'),
    });
    expect(await desk.expectList()).toHaveLength(1);
    const corrected = '{"type":"CreateBatch","reference":"b","sku":"LAMP","quantity":1}';
    expect(
      await shell.expectAnswer('dead-letters', 'redrive', id, '--edit', corrected, '--execute'),
    ).toMatch(/redriven as c\/1\/2\/edited-1-\w{8}\n$/);
    const [event] = await shell.expectJsonLines('tail', '--from', 'beginning', '--count', '1');
    expect(event).toMatchObject({ type: 'BatchCreated', subject: 'LAMP' });
  });
});
