import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { committedOffsetsOf, LaneOffsets } from '../../../src/entrypoints/lane-offsets.ts';
import type { Broker } from '../../../src/service-layer/broker.ts';

const lane = { topic: 'commands', partition: 1 };

function publishedOffsets(committed: (number | null)[] = []) {
  return new LaneOffsets(
    committedOffsetsOf({ committedOffsets: async () => committed } as unknown as Broker, 'group'),
  );
}

describe('how far the lanes have published', () => {
  it('is the furthest offset that a lane has noted', async () => {
    const published = publishedOffsets();
    published.note({ ...lane, nextOffset: 5 });
    published.note({ ...lane, nextOffset: 3 });
    expect([5, 6].map((nextOffset) => published.covers([{ ...lane, nextOffset }]))).toEqual([
      true,
      false,
    ]);
    expect(published.covers([{ ...lane, topic: 'others', nextOffset: 1 }])).toBe(false);
    expect(published.covers([])).toBe(true);
  });

  it('is read from the broker if no lane of this process has noted it', async () => {
    const committed = [null, 4];
    const published = publishedOffsets(committed);
    expect(await published.cover([{ ...lane, nextOffset: 5 }], 50)).toBe(false);
    committed[1] = 5;
    expect(await published.cover([{ ...lane, nextOffset: 5 }], 10_000)).toBe(true);
  });

  it('is awaited while the broker does not answer', async () => {
    const broker = {
      committedOffsets: async () => Promise.reject(new Error('away')),
    } as unknown as Broker;
    const published = new LaneOffsets(committedOffsetsOf(broker, 'group'));
    const waiting = published.cover([{ ...lane, nextOffset: 1 }], 10_000);
    setTimeout(() => published.note({ ...lane, nextOffset: 1 }), 30);
    expect(await waiting).toBe(true);
  });

  describe('while lanes wait', () => {
    let questions = 0;
    let open = 0;
    let mostOpen = 0;
    const committed = [0, 0];
    const broker = {
      committedOffsets: async () => {
        questions += 1;
        open += 1;
        mostOpen = Math.max(mostOpen, open);
        await new Promise((resolve) => setTimeout(resolve, 5));
        open -= 1;
        return committed;
      },
    } as unknown as Broker;

    beforeEach(() => {
      vi.useFakeTimers();
      questions = 0;
      mostOpen = 0;
      committed[1] = 0;
    });

    afterEach(() => {
      vi.useRealTimers();
    });

    it('is asked once for all lanes, more and more seldom while nothing changes', async () => {
      const published = new LaneOffsets(committedOffsetsOf(broker, 'group'));
      const wanted = Array.from({ length: 8 }, (_, partition) => [
        { topic: 'commands', partition, nextOffset: 1 },
      ]);
      const covered = Promise.all(wanted.map((each) => published.cover(each, 1_000)));
      await vi.advanceTimersByTimeAsync(1_000);
      expect(await covered).toEqual(wanted.map(() => false));
      // At 10, 35, 80, 165, 330, 535, 740 and 945 ms. The last one is open when all give up.
      expect([questions, mostOpen]).toEqual([8, 1]);
      await vi.advanceTimersByTimeAsync(10_000);
      expect(questions).toBe(8);
    });

    it('reaches a waiting lane of this process without a question', async () => {
      const published = new LaneOffsets(committedOffsetsOf(broker, 'group'));
      const [first, second] = [1, 2].map((nextOffset) =>
        published.cover([{ ...lane, nextOffset }], 10_000),
      );
      published.note({ ...lane, nextOffset: 1 });
      expect(await first).toBe(true);
      published.note({ ...lane, nextOffset: 2 });
      expect([await second, questions]).toEqual([true, 0]);
    });

    it.each(['a lane of this process says something', 'the broker says something new'])(
      'is asked again soon once %s',
      async (what) => {
        const published = new LaneOffsets(committedOffsetsOf(broker, 'group'));
        const first = published.cover([{ ...lane, nextOffset: 1 }], 60_000);
        await vi.advanceTimersByTimeAsync(2_000);
        if (what.startsWith('the broker')) committed[1] = 1;
        else published.note({ ...lane, nextOffset: 1 });
        await vi.advanceTimersByTimeAsync(205);
        expect(await first).toBe(true);
        questions = 0;
        const second = published.cover([{ ...lane, nextOffset: 2 }], 60_000);
        committed[1] = 2;
        await vi.advanceTimersByTimeAsync(15);
        expect([await second, questions]).toEqual([true, 1]);
      },
    );
  });
});
