import { describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { follow, idsOf } from '../../support/letter-listing.ts';
import { LetterTopic } from '../../support/letter-topic.ts';

describe('The follower of the dead letters topic', () => {
  it('follows the topic, and reads no record twice', async () => {
    const topic = new LetterTopic();
    const letters = follow(topic);
    const first = topic.add();
    expect(await idsOf(letters)).toEqual([first]);
    const second = topic.add({ seconds: 1 });
    expect(await idsOf(letters)).toEqual([first, second]);
    expect(topic.readCount).toBe(2);
  });

  it('reads nothing before somebody asks', async () => {
    const topic = new LetterTopic();
    topic.add();
    follow(topic);
    expect(topic.readCount).toBe(0);
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
    const letters = follow(topic);
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
    const letters = follow(topic);
    const { offsetRanges } = topic;
    topic.offsetRanges = () => Promise.reject(new Error('Kafka is away'));
    await expect(letters.refresh(60_000)).rejects.toThrow('Kafka is away');
    topic.offsetRanges = offsetRanges;
    expect(await idsOf(letters)).toEqual([id]);
  });

  it('stops waiting for a silent log when the signal of the reader aborts', async () => {
    const topic = new LetterTopic();
    const id = topic.add();
    const letters = follow(topic);
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
    const letters = follow(topic);
    await letters.close();
    await expect(letters.read()).rejects.toThrow();
    expect(topic.readCount).toBe(0);
  });
});
