// @module-tag db
// @module-tag slow

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { markerRecord } from '../../../src/dead-letters/markers.ts';
import { redriveRecord, replacementRecord } from '../../../src/dead-letters/redrive-records.ts';
import { readCommand } from '../../../src/messages/read-command.ts';
import type { Broker } from '../../../src/service-layer/broker.ts';
import { readDeadLetters } from '../../support/dead-letters.ts';
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
  it('go again to the partition that they came through, while it is there', async () => {
    const command = (reference: string) =>
      `{"type":"CreateBatch","reference":"${reference}","sku":"LAMP","quantity":9}`;
    const [{ partition: ofKey = 0 } = {}] = await broker.publish('allocation.commands', [
      { key: 'LAMP', value: command('first'), headers: {} },
    ]);
    for (const partition of [0, 1, 2])
      await desk.addLetter(command(`from-${partition}`), {}, partition);
    await shell.expectAnswer('dead-letters', 'redrive', '--all', '--execute');
    const tail = ['tail', '--topic', 'commands', '--from', 'beginning', '--count', '4'];
    const commands = await shell.expectJsonLines<{ partition: number; value: string }>(...tail);
    const places = commands.map(({ partition, value }) => [
      JSON.stringify(value).match(/from-\d|first/)?.[0],
      partition,
    ]);
    // The topic has partitions 0 and 1: the letter of partition 2 goes where its key belongs.
    expect(Object.fromEntries(places)).toEqual({
      first: ofKey,
      'from-0': 0,
      'from-1': 1,
      'from-2': ofKey,
    });
  });

  it('are redriven once, however often they are sent', async () => {
    const id = await desk.addLetter(
      '{"type":"CreateBatch","reference":"batch-9","sku":"LAMP","quantity":9}',
    );
    const [letter] = await readDeadLetters(broker, 'allocation.dead-letters');
    if (!letter) throw new Error('There is no dead letter');
    expect(await shell.expectAnswer('dead-letters', 'redrive', id, '--execute')).toBe(
      `${id} redriven\n`,
    );
    expect(await shell.expectAnswer('dead-letters', 'redrive', id, '--execute')).toContain(
      'nothing to do',
    );
    expect(await shell.expectAnswer('dead-letters', 'redrive', '--all', '--execute')).toBe(
      'No dead letters\n',
    );
    // What a crash before the marker, or another operator at the same time, would do:
    await broker.publish('allocation.commands', [redriveRecord(letter)]);
    await broker.publish('allocation.dead-letters', [
      markerRecord(letter, 'redriven', 'somebody else', new Date()),
    ]);
    await shell.expectAnswer('publish', 'CreateBatch', 'reference=last', 'sku=LAMP', 'quantity=1');
    await shell.expectNoLag();
    const events = await shell.expectJsonLines<{ type: string; causationid: string }>(
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
    expect(await desk.expectList()).toEqual([]);
  });

  it('keep their bytes, key, headers and id when they are redriven', async () => {
    const withId = '{"id":"cmd-1","type":"DeallocateOrder","orderid":"o"}';
    await desk.addLetter(withId, { 'x-from': 'shop' });
    await desk.addLetter('{"type":"DeallocateOrder","orderid":"o"}', { traceparent: 'x' });
    await desk.addLetter('not json');
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
    await desk.addLetter(plain);
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
});
