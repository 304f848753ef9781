import { describe, expect, it } from 'vitest';
import { PublishedOffsets } from '../../../src/entrypoints/published-offsets.ts';
import type { Broker } from '../../../src/service-layer/unit-of-work.ts';

const lane = { topic: 'commands', partition: 1 };

function publishedOffsets(committed: (number | null)[] = []) {
  return new PublishedOffsets({ committedOffsets: async () => committed } as unknown as Broker, 'group');
}

describe('how far the lanes have published', () => {
  it('is what they said, the furthest', async () => {
    const published = publishedOffsets();
    published.note({ ...lane, nextOffset: 5 });
    published.note({ ...lane, nextOffset: 3 });
    expect([5, 6].map((nextOffset) => published.covers([{ ...lane, nextOffset }]))).toEqual([true, false]);
    expect(published.covers([{ ...lane, topic: 'others', nextOffset: 1 }])).toBe(false);
    expect(published.covers([])).toBe(true);
  });

  it('is asked of the broker where no lane of this process says it', async () => {
    const committed = [null, 4];
    const published = publishedOffsets(committed);
    expect(await published.cover([{ ...lane, nextOffset: 5 }], 50)).toBe(false);
    committed[1] = 5;
    expect(await published.cover([{ ...lane, nextOffset: 5 }], 10_000)).toBe(true);
  });

  it('is waited for while the broker does not answer', async () => {
    const broker = { committedOffsets: async () => Promise.reject(new Error('away')) } as unknown as Broker;
    const published = new PublishedOffsets(broker, 'group');
    const waiting = published.cover([{ ...lane, nextOffset: 1 }], 10_000);
    setTimeout(() => published.note({ ...lane, nextOffset: 1 }), 30);
    expect(await waiting).toBe(true);
  });
});
