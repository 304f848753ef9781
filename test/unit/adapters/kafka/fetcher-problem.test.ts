import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { eventually } from '../../../support/eventually.ts';
import { ERRORS } from '../../../support/fake-kafka/error-codes.ts';
import { WatchedFetcher } from '../../../support/fake-kafka/watched-fetcher.ts';

/** Fakes only the clock that the fetcher measures with. Its timers stay real. */
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});

afterEach(() => {
  vi.useRealTimers();
});

/** Changes the last bit of the first batch in the log. Again: it is as before. */
function flipBit({ log }: WatchedFetcher): void {
  const bytes = log.batches[0]?.bytes as Buffer;
  bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1;
}

/** Resolves when 30 s have passed since the first failure, as the fetcher measures them. */
async function fail({ edge, fetcher }: WatchedFetcher): Promise<void> {
  await edge.kafka.seen('Fetch', 2);
  vi.advanceTimersByTime(29_999);
  await edge.kafka.seen('Fetch', edge.kafka.requests('Fetch').length + 2);
  expect(fetcher.problem).toBeNull();
  vi.advanceTimersByTime(1);
}

it('a damaged record batch is handed over only after the leader has sent it whole', async () => {
  await using fetching = await WatchedFetcher.start(['a'], ['b']);
  flipBit(fetching);
  fetching.fetcher.resumeFrom(0);
  await fetching.edge.kafka.seen('Fetch', 3);
  flipBit(fetching);
  await fetching.hands(['0:a', '1:b']);
  expect(fetching.values).toEqual(['0:a', '1:b']);
});

it('a damaged record batch is a problem after 30 s, until the leader sends it whole', async () => {
  await using fetching = await WatchedFetcher.start(['a']);
  const { fetcher } = fetching;
  flipBit(fetching);
  fetcher.resumeFrom(0);
  await fail(fetching);
  const problem = 'Fetching commands/0: The record batch at commands/0/0 is damaged';
  await eventually(() => expect(fetcher.problem).toContain(problem));
  flipBit(fetching);
  await eventually(() => expect(fetcher.problem).toBeNull());
});

it('a leader that does not say how an epoch ended is a problem after 30 s', async () => {
  await using fetching = await WatchedFetcher.start(['a'], ['b']);
  const { fetcher, edge, log } = fetching;
  const error = { error: ERRORS.UNKNOWN_LEADER_EPOCH };
  edge.kafka.on('OffsetForLeaderEpoch', error, { isLasting: true });
  fetcher.resumeFrom(2, { leaderEpoch: 0 });
  log.leaderEpoch = 1;
  await edge.kafka.append('commands', 0, ['c']);
  await fail(fetching);
  await eventually(() => expect(fetcher.problem).toContain('UNKNOWN_LEADER_EPOCH'));
});

it('a fetcher forgets its problem when its owner pauses', async () => {
  await using fetching = await WatchedFetcher.start(['a']);
  const { fetcher, edge } = fetching;
  flipBit(fetching);
  fetcher.resumeFrom(0);
  await fail(fetching);
  await eventually(() => expect(fetcher.problem).not.toBeNull());
  fetcher.pause();
  expect(fetcher.problem).toBeNull();
  fetcher.resumeFrom(0);
  await edge.kafka.seen('Fetch', edge.kafka.requests('Fetch').length + 2);
  expect(fetcher.problem).toBeNull();
});
