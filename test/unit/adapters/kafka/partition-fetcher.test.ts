import { describe, it } from 'vitest';
import { eventually } from '../../../support/eventually.ts';
import { event } from '../../../support/fake-kafka/edge.ts';
import { ERRORS, type ErrorName } from '../../../support/fake-kafka/error-codes.ts';
import { WatchedFetcher } from '../../../support/fake-kafka/watched-fetcher.ts';

const LEADER_ERRORS: readonly ErrorName[] = [
  'UNKNOWN_SERVER_ERROR',
  'CORRUPT_MESSAGE',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_OR_FOLLOWER',
  'REPLICA_NOT_AVAILABLE',
  'TOPIC_AUTHORIZATION_FAILED',
  'KAFKA_STORAGE_ERROR',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'OFFSET_NOT_AVAILABLE',
  'UNKNOWN_TOPIC_ID',
  'INCONSISTENT_TOPIC_ID',
];

it('asks for no more bytes than its share', async ({ expect }) => {
  await using fetching = await WatchedFetcher.start(['a']);
  fetching.fetcher.resumeFrom(0);
  await fetching.hands(['0:a']);
  expect(fetching.edge.kafka.requests('Fetch')[0]?.topics[0]?.partitions[0]?.maxBytes).toBe(2_000);
});

describe.concurrent('at an error in the answer to Fetch', () => {
  it.for(LEADER_ERRORS)(
    '%s: it fetches again, and hands each record over once',
    async (name, { expect }) => {
      await using fetching = await WatchedFetcher.start(['a', 'b'], ['c']);
      fetching.edge.kafka.on('Fetch', { error: ERRORS[name] });
      fetching.edge.kafka.on('Fetch', { error: ERRORS[name], at: 'top' }, { nth: 2 });
      fetching.fetcher.resumeFrom(0);
      await fetching.hands(['0:a', '1:b', '2:c']);
      expect(fetching.values).toEqual(['0:a', '1:b', '2:c']);
      const offsets = fetching.edge.kafka
        .requests('Fetch')
        .map(({ topics }) => topics[0]?.partitions[0]?.fetchOffset);
      expect(offsets.slice(0, 3)).toEqual([0, 0, 0]);
    },
  );

  it('goes to the new leader once the leader has moved', async ({ expect }) => {
    await using fetching = await WatchedFetcher.start(['a']);
    fetching.fetcher.resumeFrom(0);
    await fetching.hands(['0:a']);
    fetching.log.leader = 3;
    fetching.log.leaderEpoch += 1;
    await fetching.edge.kafka.append('commands', 0, ['b']);
    await fetching.hands(['0:a', '1:b']);
    expect(fetching.edge.kafka.requests('Fetch', 3).length).toBeGreaterThan(0);
    expect(fetching.values).toEqual(['0:a', '1:b']);
  });

  it.for(['before', 'after'] as const)(
    'a connection that breaks %s the answer is opened again',
    async (when, { expect }) => {
      await using fetching = await WatchedFetcher.start(['a', 'b']);
      fetching.edge.kafka.on('Fetch', { broken: when });
      fetching.fetcher.resumeFrom(0);
      await fetching.hands(['0:a', '1:b']);
      expect(fetching.values).toEqual(['0:a', '1:b']);
    },
  );
});

describe.concurrent('around the offset of the owner', () => {
  const cases = [
    [0, ['0:a', '1:b', '2:c', '3:d']],
    [1, ['1:b', '2:c', '3:d']],
    [2, ['2:c', '3:d']],
    [3, ['3:d']],
  ] as const;

  it.for(cases)(
    'from %i on it hands over what is there, even from within a batch',
    async ([offset, expected], { expect }) => {
      await using fetching = await WatchedFetcher.start(['a', 'b', 'c'], ['d']);
      fetching.fetcher.resumeFrom(offset);
      await fetching.hands(expected);
      expect(fetching.values).toEqual(expected);
      expect(fetching.edge.kafka.requests('Fetch')[0]?.isolationLevel).toBe(1);
    },
  );

  it('at the end it waits, and hands over the next record', async ({ expect }) => {
    await using fetching = await WatchedFetcher.start(['a', 'b']);
    fetching.fetcher.resumeFrom(2);
    await fetching.edge.kafka.seen('Fetch', 1);
    expect(fetching.values).toEqual([]);
    await fetching.edge.kafka.append('commands', 0, ['c']);
    await fetching.hands(['2:c']);
    expect(fetching.values).toEqual(['2:c']);
    expect(fetching.outOfRange).toBe(0);
  });

  it('one beyond the end it reports an offset out of range, and hands nothing over', async ({
    expect,
  }) => {
    await using fetching = await WatchedFetcher.start(['a', 'b']);
    fetching.fetcher.resumeFrom(3);
    await eventually(() => expect(fetching.outOfRange).toBe(1));
    expect(fetching.values).toEqual([]);
  });

  it('one below the beginning it reports where the log begins', async ({ expect }) => {
    await using fetching = await WatchedFetcher.start(['a'], ['b'], ['c']);
    fetching.log.beginning = 1;
    fetching.fetcher.resumeFrom(0);
    await eventually(() => expect(fetching.outOfRange).toBe(1));
    expect(fetching.beginning).toBe(1);
    expect(fetching.values).toEqual([]);
  });

  it('at the beginning it hands over the first record', async ({ expect }) => {
    await using fetching = await WatchedFetcher.start(['a'], ['b'], ['c']);
    fetching.log.beginning = 1;
    fetching.fetcher.resumeFrom(1);
    await fetching.hands(['1:b', '2:c']);
    expect(fetching.values).toEqual(['1:b', '2:c']);
  });
});

it.concurrent('aborted records are left out, and an open transaction holds up the rest', async ({
  expect,
}) => {
  await using fetching = await WatchedFetcher.start(['before']);
  const { kafka } = fetching.edge;
  const toCommands = (value: string) => ({ ...event(0, value), topic: 'commands' });
  const aborted = await fetching.edge.openProducer();
  kafka.on('EndTxn', { error: ERRORS.INVALID_TXN_STATE });
  await aborted.publish([toCommands('aborted')], null).catch(() => {});
  await fetching.fetcher.resumeFrom(0);
  await fetching.hands(['0:before']);
  await kafka.append('commands', 0, ['after']);
  const successor = await fetching.edge.openProducer(); // ends the open transaction
  await successor.publish([toCommands('committed')], null);
  await fetching.hands(['', '', '']);
  expect(fetching.handed.map(({ value }) => String(value))).toEqual([
    'before',
    'after',
    'committed',
  ]);
});

it.concurrent('after a pause nothing is handed over until the owner resumes', async ({
  expect,
}) => {
  await using fetching = await WatchedFetcher.start(['a']);
  fetching.fetcher.resumeFrom(0);
  await fetching.hands(['0:a']);
  fetching.fetcher.pause();
  await fetching.edge.kafka.append('commands', 0, ['b']);
  await fetching.edge.settle();
  expect(fetching.values).toEqual(['0:a']);
  fetching.fetcher.resumeFrom(1);
  await fetching.hands(['0:a', '1:b']);
  expect(fetching.values).toEqual(['0:a', '1:b']);
});
