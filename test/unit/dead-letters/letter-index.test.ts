import { describe, expect, it } from 'vitest';
import { LetterIndex } from '../../../src/dead-letters/letter-index.ts';
import { groupLetters, listLetters } from '../../../src/dead-letters/letter-pages.ts';
import { openLettersOf } from '../../../src/metric-sources.ts';
import { follow, idsOf } from '../../support/letter-listing.ts';
import { LetterTopic } from '../../support/letter-topic.ts';

describe('The index of dead letters', () => {
  it('lists letters of all partitions by the time of failure, the oldest first', async () => {
    const topic = new LetterTopic(2);
    const late = topic.add({ seconds: 3 });
    const early = topic.add({ seconds: 1, partition: 1 });
    const middle = topic.add({ seconds: 2, partition: 1 });
    expect(await idsOf(follow(topic))).toEqual([early, middle, late]);
  });

  it('takes letters off the list, and shows what became of them', async () => {
    const topic = new LetterTopic();
    const letters = follow(topic);
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
    const letters = follow(topic);
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
    expect(await idsOf(follow(topic))).toEqual([]);
  });

  it('ignores markers that name no letter of the topic', async () => {
    const topic = new LetterTopic();
    const id = topic.add();
    for (const forged of ['', 'other/0/0', 'dead/0/00', 'dead/0/0/0', `${id}\u0000`])
      topic.resolve(forged, 'discarded');
    expect(await idsOf(follow(topic))).toEqual([id]);
  });

  it('forgets letters that the topic has deleted', async () => {
    const topic = new LetterTopic();
    const letters = follow(topic);
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
    const letters = follow(topic);
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
});

describe('The index of dead letters beyond its limit', () => {
  it('leaves the newest letters out, and counts them', async () => {
    const topic = new LetterTopic();
    const ids = Array.from({ length: 12 }, (_, n) => topic.add({ seconds: n }));
    const letters = follow(topic, 10);
    expect(await idsOf(letters)).toEqual(ids.slice(0, 10));
    expect(letters.index.leftOut.count).toBe(2);
    expect(letters.openLetters()?.open).toBe(12);
  });

  it('takes them in once half of it is free', async () => {
    const topic = new LetterTopic();
    const ids = Array.from({ length: 12 }, (_, n) => topic.add({ seconds: n }));
    const letters = follow(topic, 10);
    await letters.read();
    for (const id of ids.slice(0, 6)) topic.resolve(id, 'discarded');
    expect(await idsOf(letters)).toEqual(ids.slice(6));
    expect(letters.index.leftOut.count).toBe(0);
  });

  it('counts a letter no more that is resolved while it is left out', async () => {
    const topic = new LetterTopic();
    const ids = Array.from({ length: 12 }, (_, n) => topic.add({ seconds: n }));
    const letters = follow(topic, 10);
    await letters.read();
    topic.resolve(ids[11] ?? '', 'discarded');
    await letters.read();
    expect(letters.index.leftOut.count).toBe(1);
  });

  it('counts letters that it leaves out by reason, too', async () => {
    const topic = new LetterTopic();
    for (let n = 0; n < 11; n += 1) topic.add({ seconds: n });
    const late = [11, 12].map((seconds) => topic.add({ seconds, reason: 'too-large' }));
    const letters = follow(topic, 10);
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
    const letters = follow(topic, 1);
    await letters.read();
    expect([...letters.index.leftOut.byReason]).toEqual([['other', 2]]);
  });

  it('forgets resolved letters first', async () => {
    const topic = new LetterTopic();
    const old = Array.from({ length: 10 }, (_, n) => topic.add({ seconds: n }));
    for (const id of old.slice(0, 9)) topic.resolve(id, 'discarded');
    const young = Array.from({ length: 9 }, (_, n) => topic.add({ seconds: 20 + n }));
    const letters = follow(topic, 10);
    expect(await idsOf(letters)).toEqual([...old.slice(9), ...young]);
    expect(await idsOf(letters, { status: 'discarded' })).toEqual([]);
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
