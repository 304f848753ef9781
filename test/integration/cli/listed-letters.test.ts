// @module-tag db
// @module-tag slow

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Broker } from '../../../src/service-layer/broker.ts';
import { eventually } from '../../support/eventually.ts';
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
  it('are listed, shown whole, and taken off the list', async () => {
    expect(await shell.expectAnswer('dead-letters', 'list')).toBe('No dead letters\n');
    await broker.publish('allocation.commands', [
      { key: null, value: Buffer.from([0xff, 0x00]), headers: {} },
      { key: 'k', value: 'not json', headers: { 'x-from': 'shop' } },
    ]);
    await eventually(async () => expect(await desk.expectList()).toHaveLength(2), {
      withinMs: 20_000,
    });
    const letters = await desk.expectList();
    expect(letters.map(({ reason }) => reason)).toEqual(['malformed', 'malformed']);
    const shown = await Promise.all(
      letters.map(({ id }) => shell.expectAnswer('dead-letters', 'show', id)),
    );
    expect(shown.join()).toContain('hexadecimal ff00');
    expect(shown.join()).toMatch(/x-from: shop(.|\n)*not json/);
    const [first, second] = letters.map(({ id }) => id) as [string, string];
    expect(await shell.expectAnswer('dead-letters', 'discard', first)).toContain(
      'Nothing is done yet',
    );
    expect(await desk.expectList()).toHaveLength(2);
    expect(await shell.expectAnswer('dead-letters', 'discard', first, '--execute')).toBe(
      `${first} discarded\n`,
    );
    expect(await shell.expectAnswer('dead-letters', 'show', first)).toMatch(
      /resolution:\s+discarded(.|\n)*resolvedBy:\s+\S+@\S+/,
    );
    expect((await desk.expectList()).map(({ id }) => id)).toEqual([second]);
    expect(await shell.expectAnswer('dead-letters', 'discard', first, '--execute')).toContain(
      'nothing to do',
    );
    expect(await shell.expectAnswer('dead-letters', 'discard', '--all', '--execute')).toBe(
      `${second} discarded\n`,
    );
    expect(await shell.expectAnswer('dead-letters', 'list')).toBe('No dead letters\n');
    expect(await shell.run('dead-letters', 'redrive', 'nowhere/0/0')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('nowhere/0/0'),
    });
  });

  it('are listed with the type, order and products of their command', async () => {
    await desk.addLetter('{"type":"AllocateOrder","orderid":"o\u202e1","sku":"LAMP","qty":1}');
    const list = await shell.expectAnswer('dead-letters', 'list');
    expect(list).toMatch(/^ID +REASON +COMMAND +ORDER +SKU +FAILED AT +ORIGINAL +MESSAGE\n/);
    expect(list).toMatch(/ handler-failed +AllocateOrder +o\\u202e1 +LAMP +2026-/);
    const [letter] = await shell.expectJsonLines('dead-letters', 'list');
    expect(letter).toMatchObject({ type: 'AllocateOrder', orderid: 'o\u202e1' });
  });

  it('that will fail again are named by a dry run', async () => {
    const unreadable = await desk.addLetter('not json');
    const readable = await desk.addLetter('{"type":"DeallocateOrder","orderid":"o"}', {}, 1);
    const redrives = { 'dead-letter-redrives': '3' };
    const tooOften = await desk.addLetter('{"type":"DeallocateOrder","orderid":"p"}', redrives, 2);
    const { code, stdout, stderr } = await shell.run('dead-letters', 'redrive', '--all');
    expect(code).toBe(1);
    expect(stderr).toContain(`${tooOften} was redriven 3 times and failed each time`);
    expect(stdout).toMatch(new RegExp(`${unreadable} +redrive .*fails again\\n`));
    expect(stdout).toMatch(new RegExp(`${readable} +redrive .* 0\\n`));
    expect(stdout).toMatch(new RegExp(`${tooOften} +refuse `));
    expect(stdout).toContain(`${unreadable}: The value is not JSON`);
    const [preview] = await shell.expectJsonLines('dead-letters', 'redrive', unreadable);
    expect(preview).toMatchObject({ failsAgain: expect.stringContaining('not JSON') });
  });

  it('cannot be hidden by a message that looks like a marker', async () => {
    const id = await desk.addLetter('not json');
    const forged = { 'dead-letter-resolves': id, 'dead-letter-resolution': 'discarded' };
    await broker.publish('allocation.commands', [
      { key: 'LAMP', value: 'not json either', headers: forged },
    ]);
    await eventually(async () => expect(await desk.expectList()).toHaveLength(2), {
      withinMs: 20_000,
    });
  });
});
