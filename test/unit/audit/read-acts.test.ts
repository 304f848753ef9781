import { describe, expect, it } from 'vitest';
import { readActs } from '../../../src/audit/read-acts.ts';
import { encodeAct, type OperatorActed } from '../../../src/messages/operator-acts.ts';
import { LetterTopic } from '../../support/letter-topic.ts';

/** Adds the record of an act. */
function addAct(topic: LetterTopic, name: string, partition = 0, timestampMs = 0): void {
  const data: OperatorActed = {
    act: 'migrate',
    state: 'begun',
    by: 'ada@here',
    from: 'cli',
    on: { count: 1, first: [name] },
    options: {},
  };
  topic.put(encodeAct(name, data, '2026-11-25T18:00:00.000Z'), partition, timestampMs);
}

/** Reads all pages. @returns the ids of each page */
async function pagesOf(topic: LetterTopic, limit: number): Promise<string[][]> {
  const pages: string[][] = [];
  let after: string | null = null;
  do {
    const { acts, next } = await readActs(topic, 'audit', limit, after);
    pages.push(acts.map(({ id }) => id));
    after = next;
  } while (after !== null);
  return pages;
}

describe('The acts of operators', () => {
  it('come in pages, the newest first, and each once', async () => {
    const topic = new LetterTopic();
    for (const name of ['a', 'b', 'c', 'd', 'e']) addAct(topic, name);
    expect(await pagesOf(topic, 2)).toEqual([['e', 'd'], ['c', 'b'], ['a']]);
  });

  it('come each once from several partitions, in the order of each partition', async () => {
    const topic = new LetterTopic(3);
    for (const [n, name] of ['a0', 'a1', 'b2', 'b0', 'c0', 'c2'].entries())
      addAct(topic, name, Number(name[1] ?? n));
    const names = (await pagesOf(topic, 2)).flat();
    expect(names.toSorted()).toEqual(['a0', 'a1', 'b0', 'b2', 'c0', 'c2']);
    expect(names.filter((name) => name.endsWith('0'))).toEqual(['c0', 'b0', 'a0']);
    expect(names.filter((name) => name.endsWith('2'))).toEqual(['c2', 'b2']);
  });

  it('come from several partitions in the order of time', async () => {
    const topic = new LetterTopic(3);
    for (const [time, partition] of [2, 0, 1, 1, 2, 0].entries())
      addAct(topic, `at-${time}`, partition, time);
    expect(await pagesOf(topic, 4)).toEqual([
      ['at-5', 'at-4', 'at-3', 'at-2'],
      ['at-1', 'at-0'],
    ]);
  });

  it('have their fields, as the record has them', async () => {
    const topic = new LetterTopic();
    addAct(topic, 'act-1');
    const { acts } = await readActs(topic, 'audit', 10, null);
    expect(acts).toEqual([
      {
        id: 'act-1',
        at: '2026-11-25T18:00:00.000Z',
        act: 'migrate',
        state: 'begun',
        by: 'ada@here',
        from: 'cli',
        on: { count: 1, first: ['act-1'] },
        options: {},
      },
    ]);
  });

  it('read a limited part of a long topic', async () => {
    const topic = new LetterTopic(2);
    for (let n = 0; n < 1_000; n += 1) addAct(topic, `act-${n}`, n % 2);
    const { acts } = await readActs(topic, 'audit', 10, null);
    expect(acts).toHaveLength(10);
    expect(topic.readCount).toBe(20);
  });

  it('leave out what others wrote into the topic', async () => {
    const topic = new LetterTopic();
    addAct(topic, 'act-1');
    for (const value of ['no JSON', 'null', '[]', '{"act":1}'])
      topic.put({ key: null, value, headers: { ce_source: '/allocation/audit' } }, 0);
    topic.put({ key: null, value: '{}', headers: {} }, 0);
    expect(await pagesOf(topic, 10)).toEqual([['act-1']]);
  });

  it('go on behind a cursor of a topic that has deleted its beginning', async () => {
    const topic = new LetterTopic();
    for (const name of ['a', 'b', 'c']) addAct(topic, name);
    const { next } = await readActs(topic, 'audit', 1, null);
    topic.deleteBefore(0, 2);
    expect(await readActs(topic, 'audit', 1, next)).toEqual({ acts: [], next: null });
  });
});
