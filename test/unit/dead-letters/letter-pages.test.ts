import { describe, expect, it } from 'vitest';
import { groupLetters, listLetters } from '../../../src/dead-letters/letter-pages.ts';
import { follow, idsOf } from '../../support/letter-listing.ts';
import { LetterTopic } from '../../support/letter-topic.ts';

describe('A page of dead letters', () => {
  it('goes on behind the cursor of the page before, whatever came between', async () => {
    const topic = new LetterTopic();
    const ids = Array.from({ length: 5 }, (_, n) => topic.add({ seconds: n }));
    const letters = follow(topic);
    await letters.read();
    const first = listLetters(letters.index, { status: 'open', limit: 2 });
    expect([first.total, first.letters.map(({ id }) => id)]).toEqual([5, ids.slice(0, 2)]);
    topic.resolve(ids[1] ?? '', 'discarded');
    const late = topic.add({ seconds: 0 });
    await letters.read();
    const after = first.next ?? '';
    const second = listLetters(letters.index, { status: 'open', limit: 10, after });
    expect(second.letters.map(({ id }) => id)).toEqual(ids.slice(2));
    expect([second.total, second.next]).toEqual([5, null]);
    expect(await idsOf(letters)).toEqual([ids[0], late, ...ids.slice(2)]);
  });

  it('has only what matches all filters', async () => {
    const topic = new LetterTopic();
    const order = (orderid: string, sku: string) =>
      JSON.stringify({ type: 'AllocateOrder', orderid, sku, qty: 0 });
    const reason = 'invalid-data';
    const [first, second] = [
      topic.add({ reason, key: 'LAMP', value: order('o-1', 'LAMP') }),
      topic.add({ reason, key: 'LAMP', value: order('o-2', 'LAMP'), seconds: 1 }),
      topic.add({ reason: 'malformed', seconds: 2 }),
    ];
    const letters = follow(topic);
    expect(await idsOf(letters, { reason })).toEqual([first, second]);
    expect(await idsOf(letters, { sku: 'LAMP', orderid: 'o-2' })).toEqual([second]);
    expect(await idsOf(letters, { type: 'AllocateOrder', orderid: 'o-3' })).toEqual([]);
    expect(await idsOf(letters, { reason, since: '2026-11-25T00:00:01Z' })).toEqual([second]);
  });

  it('says what each letter is about, waits for, and leads to', async () => {
    const topic = new LetterTopic();
    const value = '{"type":"AllocateOrder","id":"c-1","orderid":"o-1","sku":"LAMP","qty":1}';
    const failed = topic.add({
      reason: 'handler-failed',
      message: 'c-1 failed',
      value,
      parked: { id: 'c-1', skus: ['LAMP'], position: 1 },
    });
    topic.add({
      reason: 'parked-behind',
      message: 'The command waits behind c-1, which failed',
      value: value.replace('c-1', 'c-2'),
      parked: { id: 'c-2', skus: ['LAMP'], behind: ['c-1'], position: 2 },
      seconds: 1,
    });
    topic.add({ seconds: 2 });
    const letters = follow(topic);
    await letters.read();
    const page = listLetters(letters.index, { status: 'open', limit: 10 }).letters;
    expect(page).toMatchObject([
      { id: failed, commandId: 'c-1', orderid: 'o-1', sku: 'LAMP', parkedBehind: null },
      { commandId: 'c-2', parkedBehind: failed, outlook: 'good' },
      { type: null, sku: null, orderid: null, commandId: 'commands/0/2', outlook: 'fails-again' },
    ]);
    expect(page.map(({ place, cause }) => [place, cause])).toEqual([
      ['commands/0/0', '… failed'],
      ['commands/0/1', 'The command waits behind a failed one'],
      ['commands/0/2', 'The value is not JSON'],
    ]);
  });
});

describe('Groups of dead letters', () => {
  it('put letters together that differ only in names and numbers', async () => {
    const topic = new LetterTopic();
    const reason = 'unknown-type';
    topic.add({ reason, message: 'Unknown command "Foo1"; use one of: A, B', seconds: 5 });
    topic.add({ reason, message: 'Unknown command "Bar"; use one of: A, B', seconds: 4 });
    topic.add({ message: 'The value has 17 bytes', seconds: 3 });
    const letters = follow(topic);
    await letters.read();
    expect(groupLetters(letters.index)).toMatchObject([
      { reason: 'malformed', cause: 'The value has … bytes', count: 1 },
      {
        reason,
        cause: 'Unknown command …; use one of: A, B',
        count: 2,
        oldestAt: '2026-11-25T00:00:04.000Z',
      },
    ]);
  });

  it('leave out what is off the list', async () => {
    const topic = new LetterTopic();
    topic.resolve(topic.add(), 'discarded');
    const letters = follow(topic);
    await letters.read();
    expect(groupLetters(letters.index)).toEqual([]);
  });

  it('are limited, whatever types senders make up', async () => {
    const topic = new LetterTopic();
    for (let n = 0; n < 1_100; n += 1) {
      const type = String.fromCodePoint(0x4e00 + n);
      topic.add({ reason: 'unknown-type', message: 'Unknown', value: `{"type":"${type}"}` });
    }
    const letters = follow(topic);
    await letters.read();
    const groups = groupLetters(letters.index);
    expect(groups).toHaveLength(1_001);
    expect(groups.at(-1)).toMatchObject({ type: null, cause: 'Other causes', count: 100 });
  });
});
