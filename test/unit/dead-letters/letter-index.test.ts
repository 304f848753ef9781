import { describe, expect, it } from 'vitest';
import { LetterFollower } from '../../../src/dead-letters/letter-follower.ts';
import { LetterIndex } from '../../../src/dead-letters/letter-index.ts';
import {
  groupLetters,
  type LetterChoice,
  listLetters,
} from '../../../src/dead-letters/letter-pages.ts';
import { openLettersOf } from '../../../src/metric-sources.ts';
import { eventually } from '../../support/eventually.ts';
import { LetterTopic } from '../../support/letter-topic.ts';

const followed = (topic: LetterTopic, maxLetters?: number) =>
  new LetterFollower(topic, LetterTopic.NAME, new LetterIndex(maxLetters));

/** Reads what is new, and lists the ids of the letters. */
async function idsOf(letters: LetterFollower, choice: Partial<LetterChoice> = {}) {
  await letters.read();
  const page = listLetters(letters.index, { status: 'open', limit: 1_000, ...choice });
  return page.letters.map(({ id }) => id);
}

describe('The index of dead letters', () => {
  it('lists letters of all partitions by the time of failure, the oldest first', async () => {
    const topic = new LetterTopic(2);
    const late = topic.add({ seconds: 3 });
    const early = topic.add({ seconds: 1, partition: 1 });
    const middle = topic.add({ seconds: 2, partition: 1 });
    expect(await idsOf(followed(topic))).toEqual([early, middle, late]);
  });

  it('follows the topic, and reads no record twice', async () => {
    const topic = new LetterTopic();
    const letters = followed(topic);
    const first = topic.add();
    expect(await idsOf(letters)).toEqual([first]);
    const second = topic.add({ seconds: 1 });
    expect(await idsOf(letters)).toEqual([first, second]);
    expect(topic.readCount).toBe(2);
  });

  it('reads nothing before somebody asks', async () => {
    const topic = new LetterTopic();
    topic.add();
    followed(topic);
    expect(topic.readCount).toBe(0);
  });

  it('takes letters off the list, and shows what became of them', async () => {
    const topic = new LetterTopic();
    const letters = followed(topic);
    const [redriven, discarded, open] = [topic.add(), topic.add(), topic.add()];
    topic.resolve(redriven, 'redriven');
    topic.resolve(discarded, 'discarded');
    expect(await idsOf(letters)).toEqual([open]);
    expect(await idsOf(letters, { status: 'redriven' })).toEqual([redriven]);
    expect(await idsOf(letters, { status: 'discarded' })).toEqual([discarded]);
  });

  it('lets the first marker of a letter count', async () => {
    const topic = new LetterTopic();
    const id = topic.add();
    topic.resolve(id, 'discarded', 0, 'ada@here');
    topic.resolve(id, 'redriven', 0, 'grace@here');
    const letters = followed(topic);
    await letters.read();
    expect(letters.index.findById(id)?.fate).toMatchObject({
      resolution: 'discarded',
      resolvedBy: 'ada@here',
    });
    expect(letters.index.openCount).toBe(0);
  });

  it('heeds a marker that it reads before its letter', async () => {
    const topic = new LetterTopic(2);
    topic.resolve('dead/1/0', 'discarded');
    topic.add({ partition: 1 });
    expect(await idsOf(followed(topic))).toEqual([]);
  });

  it('ignores markers that name no letter of the topic', async () => {
    const topic = new LetterTopic();
    const id = topic.add();
    for (const forged of ['', 'other/0/0', 'dead/0/00', 'dead/0/0/0', `${id}\u0000`])
      topic.resolve(forged, 'discarded');
    expect(await idsOf(followed(topic))).toEqual([id]);
  });

  it('forgets letters that the topic has deleted', async () => {
    const topic = new LetterTopic();
    const letters = followed(topic);
    topic.add();
    const kept = topic.add({ seconds: 1 });
    await letters.read();
    topic.deleteBefore(0, 1);
    expect(await idsOf(letters)).toEqual([kept]);
    expect(letters.openLetters()).toMatchObject({ open: 1 });
  });

  it('counts the open letters by reason, and knows the oldest', async () => {
    const topic = new LetterTopic();
    const oldest = topic.add({ seconds: 0 });
    topic.add({ seconds: 1 });
    topic.add({ seconds: 2, reason: 'too-large' });
    const letters = followed(topic);
    expect(letters.openLetters()).toBeNull();
    await letters.read();
    topic.resolve(oldest, 'redriven');
    await letters.read();
    const { open, byReason, oldestAt } = letters.openLetters() ?? {};
    expect([open, oldestAt]).toEqual([2, '2026-11-25T00:00:01.000Z']);
    expect([...(byReason ?? [])]).toEqual([
      ['malformed', 1],
      ['too-large', 1],
    ]);
  });

  it('says how far it is while the first reading goes on', async () => {
    const topic = new LetterTopic();
    for (let n = 0; n < 3; n += 1) topic.add({ seconds: n });
    const gate = Promise.withResolvers<void>();
    const { read } = topic;
    topic.read = async (name, ranges, take, signal) => {
      const [range] = ranges as [(typeof ranges)[number]];
      await read(name, [{ ...range, end: 2 }], take, signal);
      await gate.promise;
      await read(name, [{ ...range, beginning: 2 }], take, signal);
    };
    const letters = followed(topic);
    await eventually(async () =>
      expect(await letters.refresh(1)).toEqual({ isComplete: false, read: 2, total: 3 }),
    );
    expect(letters.openLetters()).toBeNull();
    gate.resolve();
    topic.read = read;
    expect(await letters.refresh(60_000)).toEqual({ isComplete: true, read: 3, total: 3 });
  });

  it('reports trouble with the log, and goes on afterwards', async () => {
    const topic = new LetterTopic();
    const id = topic.add();
    const letters = followed(topic);
    const { offsetRanges } = topic;
    topic.offsetRanges = () => Promise.reject(new Error('Kafka is away'));
    await expect(letters.refresh(60_000)).rejects.toThrow('Kafka is away');
    topic.offsetRanges = offsetRanges;
    expect(await idsOf(letters)).toEqual([id]);
  });

  it('stops waiting for a silent log when the signal of the reader aborts', async () => {
    const topic = new LetterTopic();
    const id = topic.add();
    const letters = followed(topic);
    const gate = Promise.withResolvers<void>();
    const { offsetRanges } = topic;
    topic.offsetRanges = async (name) => {
      await gate.promise;
      return offsetRanges(name);
    };
    const cancelled = new AbortController();
    const reading = letters.read(cancelled.signal);
    cancelled.abort(new Error('Cancelled by ada'));
    await expect(reading).rejects.toThrow('Cancelled by ada');
    gate.resolve();
    expect(await idsOf(letters)).toEqual([id]);
  });

  it('reads no more after it is closed', async () => {
    const topic = new LetterTopic();
    topic.add();
    const letters = followed(topic);
    await letters.close();
    await expect(letters.read()).rejects.toThrow();
    expect(topic.readCount).toBe(0);
  });
});

describe('The index of dead letters beyond its limit', () => {
  it('leaves the newest letters out, and counts them', async () => {
    const topic = new LetterTopic();
    const ids = Array.from({ length: 12 }, (_, n) => topic.add({ seconds: n }));
    const letters = followed(topic, 10);
    expect(await idsOf(letters)).toEqual(ids.slice(0, 10));
    expect(letters.index.leftOut.count).toBe(2);
    expect(letters.openLetters()?.open).toBe(12);
  });

  it('takes them in once half of it is free', async () => {
    const topic = new LetterTopic();
    const ids = Array.from({ length: 12 }, (_, n) => topic.add({ seconds: n }));
    const letters = followed(topic, 10);
    await letters.read();
    for (const id of ids.slice(0, 6)) topic.resolve(id, 'discarded');
    expect(await idsOf(letters)).toEqual(ids.slice(6));
    expect(letters.index.leftOut.count).toBe(0);
  });

  it('counts a letter no more that is resolved while it is left out', async () => {
    const topic = new LetterTopic();
    const ids = Array.from({ length: 12 }, (_, n) => topic.add({ seconds: n }));
    const letters = followed(topic, 10);
    await letters.read();
    topic.resolve(ids[11] ?? '', 'discarded');
    await letters.read();
    expect(letters.index.leftOut.count).toBe(1);
  });

  it('counts letters that it leaves out by reason, too', async () => {
    const topic = new LetterTopic();
    for (let n = 0; n < 11; n += 1) topic.add({ seconds: n });
    const late = [11, 12].map((seconds) => topic.add({ seconds, reason: 'too-large' }));
    const letters = followed(topic, 10);
    await letters.read();
    expect(openLettersOf(letters)).toEqual([
      { reason: 'malformed', count: 11, oldestMs: Date.UTC(2026, 10, 25) },
      { reason: 'too-large', count: 2, oldestMs: null },
    ]);
    for (const id of late) topic.resolve(id, 'discarded');
    await letters.read();
    expect(openLettersOf(letters)?.map(({ count }) => count)).toEqual([11]);
  });

  it('counts letters of others that it leaves out under one reason', async () => {
    const topic = new LetterTopic();
    const headers = (n: number) => ({ 'dead-letter-reason': `forged-${n}` });
    for (let n = 0; n < 3; n += 1) topic.put({ key: null, value: '', headers: headers(n) }, 0);
    const letters = followed(topic, 1);
    await letters.read();
    expect([...letters.index.leftOut.byReason]).toEqual([['other', 2]]);
  });

  it('forgets resolved letters first', async () => {
    const topic = new LetterTopic();
    const old = Array.from({ length: 10 }, (_, n) => topic.add({ seconds: n }));
    for (const id of old.slice(0, 9)) topic.resolve(id, 'discarded');
    const young = Array.from({ length: 9 }, (_, n) => topic.add({ seconds: 20 + n }));
    const letters = followed(topic, 10);
    expect(await idsOf(letters)).toEqual([...old.slice(9), ...young]);
    expect(await idsOf(letters, { status: 'discarded' })).toEqual([]);
  });
});

describe('A page of dead letters', () => {
  it('goes on behind the cursor of the page before, whatever came between', async () => {
    const topic = new LetterTopic();
    const ids = Array.from({ length: 5 }, (_, n) => topic.add({ seconds: n }));
    const letters = followed(topic);
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
    const letters = followed(topic);
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
    const letters = followed(topic);
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
    const letters = followed(topic);
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
    const letters = followed(topic);
    await letters.read();
    expect(groupLetters(letters.index)).toEqual([]);
  });

  it('are limited, whatever types senders make up', async () => {
    const topic = new LetterTopic();
    for (let n = 0; n < 1_100; n += 1) {
      const type = String.fromCodePoint(0x4e00 + n);
      topic.add({ reason: 'unknown-type', message: 'Unknown', value: `{"type":"${type}"}` });
    }
    const letters = followed(topic);
    await letters.read();
    const groups = groupLetters(letters.index);
    expect(groups).toHaveLength(1_001);
    expect(groups.at(-1)).toMatchObject({ type: null, cause: 'Other causes', count: 100 });
  });
});

describe('The index of 100,000 dead letters', () => {
  it('looks at each letter once for a page, and once for all groups', async () => {
    const topic = new LetterTopic();
    topic.add({ reason: 'handler-failed', value: '{}', parked: { id: 'c-1', position: 1 } });
    const index = new LetterIndex();
    await topic.read('dead', await topic.offsetRanges('dead'), async ({ records: [record] }) => {
      for (let offset = 0; offset < 100_000; offset += 1)
        if (record) index.add({ ...record, offset });
    });
    let looks = 0;
    const all = index.letters;
    const counted = new Proxy(index, {
      get: (target, name) => {
        if (name === 'letters') looks += all.length;
        return Reflect.get(target, name, target);
      },
    });
    const after = `${Date.UTC(2026, 10, 25)}.0.50000`;
    const page = listLetters(counted, { status: 'open', limit: 100, after });
    expect([page.total, page.letters[0]?.id]).toEqual([100_000, 'dead/0/50001']);
    expect(looks).toBe(all.length);
    expect(groupLetters(counted)).toMatchObject([{ count: 100_000 }]);
    expect(looks).toBe(2 * all.length);
    expect(index.openByReason.get('handler-failed')).toBe(100_000);
    expect(looks).toBe(2 * all.length);
  }, 60_000);
});
