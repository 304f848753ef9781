import { describe, it } from 'vitest';
import { eventually } from '../../../support/eventually.ts';
import { WatchedFetcher } from '../../../support/fake-kafka/watched-fetcher.ts';

describe.concurrent('when the topic is deleted and created again, with as many records', () => {
  /** Creates `commands` again, and appends other records than before. */
  async function createAgain({ edge }: WatchedFetcher): Promise<void> {
    edge.kafka.model.addTopic('commands', [1, 2, 3, 1]);
    await edge.kafka.append('commands', 0, ['other a', 'other b', 'other c']);
  }

  it('hands nothing of the new log to an owner that has checked its own', async ({ expect }) => {
    await using fetching = await WatchedFetcher.start(['a', 'b']);
    fetching.fetcher.resumeFrom(2, { logId: await fetching.edge.view.logId('commands') });
    await fetching.edge.kafka.seen('Fetch', 1);
    await createAgain(fetching);
    await fetching.edge.kafka.seen('Fetch', 4);
    expect([fetching.values, fetching.outOfRange]).toEqual([[], 0]);
  });

  it('goes on in the new log for an owner that reads whatever has the name', async ({ expect }) => {
    await using fetching = await WatchedFetcher.start(['a', 'b']);
    fetching.fetcher.resumeFrom(0);
    await fetching.hands(['0:a', '1:b']);
    await createAgain(fetching);
    await fetching.hands(['0:a', '1:b', '2:other c']);
    expect(fetching.values).toEqual(['0:a', '1:b', '2:other c']);
  });
});

describe.concurrent('when another leader has appended the next record', () => {
  it('hands the record over if the former leader has lost nothing', async ({ expect }) => {
    await using fetching = await WatchedFetcher.start(['a'], ['b']);
    fetching.fetcher.resumeFrom(2, { leaderEpoch: 0 });
    fetching.log.leaderEpoch = 1;
    await fetching.edge.kafka.append('commands', 0, ['c']);
    await fetching.hands(['2:c']);
    expect(fetching.edge.kafka.requests('OffsetForLeaderEpoch')).toHaveLength(1);
    expect(fetching.outOfRange).toBe(0);
  });

  it('reports an offset out of range if one record before it was lost', async ({ expect }) => {
    await using fetching = await WatchedFetcher.start(['a'], ['b']);
    fetching.fetcher.resumeFrom(2, { leaderEpoch: 0 });
    await fetching.edge.kafka.seen('Fetch', 1);
    fetching.log.batches.pop();
    fetching.log.leaderEpoch = 1;
    for (const value of ['other b', 'c']) await fetching.edge.kafka.append('commands', 0, [value]);
    await eventually(() => expect(fetching.outOfRange).toBe(1));
    expect(fetching.values).toEqual([]);
  });

  it.for([
    ['in an earlier epoch', [['a'], ['other b'], ['c']]],
    ['in a later epoch', [['a'], ['other b']]],
  ] as const)(
    'hands nothing over if the log lacks the epoch and goes on %s',
    async ([, batches], { expect }) => {
      await using fetching = await WatchedFetcher.start(...batches);
      fetching.log.leaderEpoch = 2;
      await fetching.edge.kafka.append('commands', 0, ['d']);
      fetching.fetcher.resumeFrom(2, { leaderEpoch: 1 });
      await eventually(() => expect(fetching.outOfRange).toBe(1));
      expect(fetching.values).toEqual([]);
    },
  );

  it('notices the loss of a record that it has handed over itself', async ({ expect }) => {
    await using fetching = await WatchedFetcher.start(['a'], ['b']);
    fetching.fetcher.resumeFrom(0);
    await fetching.hands(['0:a', '1:b']);
    fetching.log.batches.pop();
    fetching.log.leaderEpoch = 1;
    for (const value of ['other b', 'c']) await fetching.edge.kafka.append('commands', 0, [value]);
    await eventually(() => expect(fetching.outOfRange).toBe(1));
    expect(fetching.values).toEqual(['0:a', '1:b']);
  });

  it('asks for the end of the newest epoch if several came at once', async ({ expect }) => {
    await using fetching = await WatchedFetcher.start(['a']);
    fetching.log.leaderEpoch = 1;
    await fetching.edge.kafka.append('commands', 0, ['b']);
    fetching.fetcher.resumeFrom(0);
    await fetching.hands(['0:a', '1:b']);
    fetching.log.leaderEpoch = 2;
    await fetching.edge.kafka.append('commands', 0, ['c']);
    await fetching.hands(['0:a', '1:b', '2:c']);
    const asked = fetching.edge.kafka
      .requests('OffsetForLeaderEpoch')
      .map(({ topics }) => topics[0]?.partitions[0]?.leaderEpoch);
    expect([asked, fetching.outOfRange]).toEqual([[1], 0]);
  });

  it('asks for no end if the epoch of the records before is not known', async ({ expect }) => {
    await using fetching = await WatchedFetcher.start(['a'], ['b']);
    fetching.log.leaderEpoch = 1;
    fetching.fetcher.resumeFrom(0);
    await fetching.hands(['0:a', '1:b']);
    expect(fetching.edge.kafka.requests('OffsetForLeaderEpoch')).toHaveLength(0);
  });

  it('does not disturb an owner that has resumed elsewhere meanwhile', async ({ expect }) => {
    await using fetching = await WatchedFetcher.start(['a'], ['b']);
    const known = Promise.withResolvers<void>();
    fetching.edge.kafka.on('OffsetForLeaderEpoch', { held: known.promise });
    fetching.fetcher.resumeFrom(2, { leaderEpoch: 0 });
    await fetching.edge.kafka.seen('Fetch', 1);
    fetching.log.batches.pop();
    fetching.log.leaderEpoch = 1;
    for (const value of ['other b', 'c']) await fetching.edge.kafka.append('commands', 0, [value]);
    await fetching.edge.kafka.seen('OffsetForLeaderEpoch');
    fetching.fetcher.pause();
    fetching.fetcher.resumeFrom(0);
    known.resolve();
    await fetching.hands(['0:a', '1:other b', '2:c']);
    expect(fetching.outOfRange).toBe(0);
  });
});
