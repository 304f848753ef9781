import { afterEach, beforeEach, describe, it, vi } from 'vitest';
import { PartitionFetcher } from '../../../../src/adapters/broker/kafka/consumer/partition-fetcher.ts';
import type { ReceivedRecord } from '../../../../src/service-layer/records.ts';
import { eventually } from '../../../support/eventually.ts';
import { Edge, event } from '../../../support/fake-kafka/edge.ts';
import { ERRORS, type ErrorName } from '../../../support/fake-kafka/error-codes.ts';

/** The fetcher of `commands/0`, which node 1 leads, and what it handed over. */
class Fetching implements AsyncDisposable {
  readonly edge: Edge;
  readonly fetcher: PartitionFetcher;
  readonly handed: ReceivedRecord[] = [];
  outOfRange = 0;
  beginning = -1;

  private constructor(edge: Edge) {
    this.edge = edge;
    this.fetcher = new PartitionFetcher(0, {
      options: edge.options,
      view: edge.view,
      topic: 'commands',
      openOwner: () => ({
        handle: async (records) => void this.handed.push(...records),
        close: async () => {},
      }),
      membership: () => null,
      maxDeliveryBytes: () => 2_000,
      maxRecordBytes: Number.POSITIVE_INFINITY,
      onGivenBack: () => {},
      onResumed: () => {},
      onOutOfRange: (beginning) => {
        this.beginning = beginning;
        this.outOfRange += 1;
      },
    });
  }

  /** @param batches the values of each record batch in the log */
  static async start(...batches: readonly (readonly string[])[]): Promise<Fetching> {
    const edge = await Edge.start();
    for (const values of batches) await edge.kafka.append('commands', 0, values);
    return new Fetching(edge);
  }

  get log() {
    const log = this.edge.kafka.model.partition('commands', 0);
    if (!log) throw new Error('There is no commands/0');
    return log;
  }

  get values() {
    return this.handed.map(({ offset, value }) => `${offset}:${value}`);
  }

  async hands(expected: readonly string[]): Promise<void> {
    await eventually(() => {
      if (this.values.length < expected.length)
        throw new Error(`The fetcher has handed over only ${this.values.join()}`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.fetcher.close();
    await this.edge[Symbol.asyncDispose]();
  }
}

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
  await using fetching = await Fetching.start(['a']);
  fetching.fetcher.resumeFrom(0);
  await fetching.hands(['0:a']);
  expect(fetching.edge.kafka.requests('Fetch')[0]?.topics[0]?.partitions[0]?.maxBytes).toBe(2_000);
});

describe.concurrent('at an error in the answer to Fetch', () => {
  it.for(LEADER_ERRORS)(
    '%s: it fetches again, and hands each record over once',
    async (name, { expect }) => {
      await using fetching = await Fetching.start(['a', 'b'], ['c']);
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
    await using fetching = await Fetching.start(['a']);
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
      await using fetching = await Fetching.start(['a', 'b']);
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
      await using fetching = await Fetching.start(['a', 'b', 'c'], ['d']);
      fetching.fetcher.resumeFrom(offset);
      await fetching.hands(expected);
      expect(fetching.values).toEqual(expected);
      expect(fetching.edge.kafka.requests('Fetch')[0]?.isolationLevel).toBe(1);
    },
  );

  it('at the end it waits, and hands over the next record', async ({ expect }) => {
    await using fetching = await Fetching.start(['a', 'b']);
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
    await using fetching = await Fetching.start(['a', 'b']);
    fetching.fetcher.resumeFrom(3);
    await eventually(() => expect(fetching.outOfRange).toBe(1));
    expect(fetching.values).toEqual([]);
  });

  it('one below the beginning it reports where the log begins', async ({ expect }) => {
    await using fetching = await Fetching.start(['a'], ['b'], ['c']);
    fetching.log.beginning = 1;
    fetching.fetcher.resumeFrom(0);
    await eventually(() => expect(fetching.outOfRange).toBe(1));
    expect(fetching.beginning).toBe(1);
    expect(fetching.values).toEqual([]);
  });

  it('at the beginning it hands over the first record', async ({ expect }) => {
    await using fetching = await Fetching.start(['a'], ['b'], ['c']);
    fetching.log.beginning = 1;
    fetching.fetcher.resumeFrom(1);
    await fetching.hands(['1:b', '2:c']);
    expect(fetching.values).toEqual(['1:b', '2:c']);
  });
});

it.concurrent('aborted records are left out, and an open transaction holds up the rest', async ({
  expect,
}) => {
  await using fetching = await Fetching.start(['before']);
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

describe.concurrent('when the topic is deleted and created again, with as many records', () => {
  /** Creates `commands` again, and appends other records than before. */
  async function createAgain({ edge }: Fetching): Promise<void> {
    edge.kafka.model.addTopic('commands', [1, 2, 3, 1]);
    await edge.kafka.append('commands', 0, ['other a', 'other b', 'other c']);
  }

  it('hands nothing of the new log to an owner that has checked its own', async ({ expect }) => {
    await using fetching = await Fetching.start(['a', 'b']);
    fetching.fetcher.resumeFrom(2, { logId: await fetching.edge.view.logId('commands') });
    await fetching.edge.kafka.seen('Fetch', 1);
    await createAgain(fetching);
    await fetching.edge.kafka.seen('Fetch', 4);
    expect([fetching.values, fetching.outOfRange]).toEqual([[], 0]);
  });

  it('goes on in the new log for an owner that reads whatever has the name', async ({ expect }) => {
    await using fetching = await Fetching.start(['a', 'b']);
    fetching.fetcher.resumeFrom(0);
    await fetching.hands(['0:a', '1:b']);
    await createAgain(fetching);
    await fetching.hands(['0:a', '1:b', '2:other c']);
    expect(fetching.values).toEqual(['0:a', '1:b', '2:other c']);
  });
});

it.concurrent('after a pause nothing is handed over until the owner resumes', async ({
  expect,
}) => {
  await using fetching = await Fetching.start(['a']);
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

describe.concurrent('when another leader has appended the next record', () => {
  it('hands the record over if the former leader has lost nothing', async ({ expect }) => {
    await using fetching = await Fetching.start(['a'], ['b']);
    fetching.fetcher.resumeFrom(2, { leaderEpoch: 0 });
    fetching.log.leaderEpoch = 1;
    await fetching.edge.kafka.append('commands', 0, ['c']);
    await fetching.hands(['2:c']);
    expect(fetching.edge.kafka.requests('OffsetForLeaderEpoch')).toHaveLength(1);
    expect(fetching.outOfRange).toBe(0);
  });

  it('reports an offset out of range if one record before it was lost', async ({ expect }) => {
    await using fetching = await Fetching.start(['a'], ['b']);
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
      await using fetching = await Fetching.start(...batches);
      fetching.log.leaderEpoch = 2;
      await fetching.edge.kafka.append('commands', 0, ['d']);
      fetching.fetcher.resumeFrom(2, { leaderEpoch: 1 });
      await eventually(() => expect(fetching.outOfRange).toBe(1));
      expect(fetching.values).toEqual([]);
    },
  );

  it('notices the loss of a record that it has handed over itself', async ({ expect }) => {
    await using fetching = await Fetching.start(['a'], ['b']);
    fetching.fetcher.resumeFrom(0);
    await fetching.hands(['0:a', '1:b']);
    fetching.log.batches.pop();
    fetching.log.leaderEpoch = 1;
    for (const value of ['other b', 'c']) await fetching.edge.kafka.append('commands', 0, [value]);
    await eventually(() => expect(fetching.outOfRange).toBe(1));
    expect(fetching.values).toEqual(['0:a', '1:b']);
  });

  it('asks for the end of the newest epoch if several came at once', async ({ expect }) => {
    await using fetching = await Fetching.start(['a']);
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
    await using fetching = await Fetching.start(['a'], ['b']);
    fetching.log.leaderEpoch = 1;
    fetching.fetcher.resumeFrom(0);
    await fetching.hands(['0:a', '1:b']);
    expect(fetching.edge.kafka.requests('OffsetForLeaderEpoch')).toHaveLength(0);
  });

  it('does not disturb an owner that has resumed elsewhere meanwhile', async ({ expect }) => {
    await using fetching = await Fetching.start(['a'], ['b']);
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

describe('a record batch that is damaged', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance'] });
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  /** Changes the last bit of the first batch in the log. Again: it is as before. */
  const flipBit = ({ log }: Fetching) => {
    const bytes = log.batches[0]?.bytes as Buffer;
    bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1;
  };

  it('is handed over only after the leader has sent it whole', async ({ expect }) => {
    await using fetching = await Fetching.start(['a'], ['b']);
    flipBit(fetching);
    fetching.fetcher.resumeFrom(0);
    await fetching.edge.kafka.seen('Fetch', 3);
    flipBit(fetching);
    await fetching.hands(['0:a', '1:b']);
    expect(fetching.values).toEqual(['0:a', '1:b']);
  });

  it('is a problem after 15 s, until the leader has sent it whole', async ({ expect }) => {
    await using fetching = await Fetching.start(['a']);
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
