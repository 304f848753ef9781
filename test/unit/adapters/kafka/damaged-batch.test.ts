import { afterEach, beforeEach, describe, it, vi } from 'vitest';
import { eventually } from '../../../support/eventually.ts';
import { WatchedFetcher } from '../../../support/fake-kafka/watched-fetcher.ts';

describe('a record batch that is damaged', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance'] });
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  /** Changes the last bit of the first batch in the log. Again: it is as before. */
  const flipBit = ({ log }: WatchedFetcher) => {
    const bytes = log.batches[0]?.bytes as Buffer;
    bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1;
  };

  it('is handed over only after the leader has sent it whole', async ({ expect }) => {
    await using fetching = await WatchedFetcher.start(['a'], ['b']);
    flipBit(fetching);
    fetching.fetcher.resumeFrom(0);
    await fetching.edge.kafka.seen('Fetch', 3);
    flipBit(fetching);
    await fetching.hands(['0:a', '1:b']);
    expect(fetching.values).toEqual(['0:a', '1:b']);
  });

  it('is a problem after 15 s, until the leader has sent it whole', async ({ expect }) => {
    await using fetching = await WatchedFetcher.start(['a']);
    const { fetcher, edge } = fetching;
    flipBit(fetching);
    fetcher.resumeFrom(0);
    await edge.kafka.seen('Fetch', 2);
    vi.advanceTimersByTime(14_999);
    await edge.kafka.seen('Fetch', edge.kafka.requests('Fetch').length + 2);
    expect(fetcher.problem).toBeNull();
    vi.advanceTimersByTime(1);
    await eventually(() =>
      expect(fetcher.problem).toMatch(/the record batch at offset 0 has a wrong checksum$/),
    );
    flipBit(fetching);
    await eventually(() => expect(fetcher.problem).toBeNull());
  });
});
