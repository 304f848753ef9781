import { KafkaJSProtocolError } from 'kafkajs';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { BrokerNode, Cluster, FetchedMessage } from '../../../src/adapters/broker/kafka/protocol.ts';
import { KafkaReader } from '../../../src/adapters/broker/kafka/reader.ts';
import { type Delivery, TroubleError } from '../../../src/service-layer/unit-of-work.ts';

type Answer = { readonly messages: readonly FetchedMessage[]; readonly lastStableOffset: string };

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] });
});

afterEach(() => {
  vi.useRealTimers();
});

/** A connection on which each fetch takes half a second; `answer` says what to, and may throw. */
class Connection {
  isOpen = true;
  readonly #answer: (fetchOffset: number) => Answer | undefined;

  constructor(answer: (fetchOffset: number) => Answer | undefined) {
    this.#answer = answer;
  }

  asCluster(): Cluster {
    const node: Pick<BrokerNode, 'fetch'> = {
      fetch: async ({ topics }) => {
        vi.setSystemTime(Date.now() + 500);
        const answer = this.#answer(topics[0]?.partitions[0]?.fetchOffset ?? 0);
        return { responses: answer ? [{ partitions: [answer] }] : [] };
      },
    };
    const cluster: Partial<Cluster> = {
      connect: async () => {},
      addMultipleTargetTopics: async () => {},
      disconnect: async () => {
        this.isOpen = false;
      },
      fetchTopicsOffset: async () => [{ partitions: [{ offset: '0' }] }],
      findLeaderForPartitions: () => ({ 1: [0] }),
      findBroker: async () => node as BrokerNode,
    };
    return cluster as Cluster;
  }
}

const never = new AbortController().signal;

async function read(end: number, ...connections: readonly Connection[]): Promise<readonly Delivery[]> {
  const left = [...connections];
  const connect = () => ((left.length > 1 ? left.shift() : left[0]) as Connection).asCluster();
  const deliveries: Delivery[] = [];
  const reader = new KafkaReader(connect, 'topic', never);
  for await (const delivery of reader.deliveries([{ partition: 0, beginning: 0, end }])) deliveries.push(delivery);
  return deliveries;
}

/** One batch; records at these offsets are left of it. */
function batch(firstOffset: number, lastOffset: number, ...offsets: readonly number[]): Answer {
  const batchContext = { firstOffset: String(firstOffset), lastOffsetDelta: lastOffset - firstOffset };
  const rest = { key: null, value: null, headers: {}, timestamp: '0', attributes: 0, isControlRecord: false, batchContext };
  return { messages: offsets.map((offset) => ({ ...rest, offset: String(offset) })) as FetchedMessage[], lastStableOffset: '10' };
}

const nothing = (lastStableOffset: number): Answer => ({ messages: [], lastStableOffset: String(lastStableOffset) });
const offsetsOf = (deliveries: readonly Delivery[]) =>
  deliveries.map(({ records, nextOffset }) => [records.map(({ offset }) => offset), nextOffset]);

it('what compaction has taken from the end of a batch is passed over', async () => {
  const asked: number[] = [];
  const connection = new Connection((offset) => {
    asked.push(offset);
    return offset < 6 ? batch(0, 5, 1, 3) : batch(6, 9, 8);
  });
  expect(offsetsOf(await read(10, connection))).toEqual([
    [[1, 3], 6],
    [[8], 10],
  ]);
  expect(asked).toEqual([0, 6]);
  expect(connection.isOpen).toBe(false);
});

it('what is left of a batch from before the offset that was asked for is not handed over again', async () => {
  const connection = new Connection((offset) => (offset < 4 ? batch(0, 3, 0, 1) : batch(0, 9, 0, 1, 4, 9)));
  expect(offsetsOf(await read(10, connection))).toEqual([
    [[0, 1], 4],
    [[4, 9], 10],
  ]);
});

it('a partition of whose end nothing is left is read to its end, but not because of one empty answer', async () => {
  let empty = 0;
  const slow = new Connection((offset) => {
    empty += 1;
    return offset === 0 && empty > 5 ? batch(0, 5, 0) : nothing(10);
  });
  expect(offsetsOf(await read(10, slow))).toEqual([
    [[0], 6],
    [[], 10],
  ]);
});

it('an answer that leaves the partition out is none', async () => {
  let asked = 0;
  const connection = new Connection(() => {
    asked += 1;
    return asked > 20 ? batch(0, 9, 0) : undefined;
  });
  expect(offsetsOf(await read(10, connection))).toEqual([[[0], 10]]);
});

it('a transaction that does not end is waited for, for longer than Kafka lets it, and then named', async () => {
  const before = Date.now();
  const reading = read(10, new Connection(() => nothing(0)));
  await expect(reading).rejects.toThrow(TroubleError);
  await expect(reading).rejects.toThrow('topic/0 can be read up to offset 0 only, not to 10: a transaction there does not end');
  expect(Date.now() - before).toBeGreaterThan(70_000);
});

it('after an error it goes on where it stood, through another connection', async () => {
  const first = new Connection((offset) => {
    if (offset > 0) throw new KafkaJSProtocolError(Object.assign(new Error('not the leader'), { type: 'NOT_LEADER_FOR_PARTITION' }));
    return batch(0, 3, 0, 1, 2, 3);
  });
  const second = new Connection(() => batch(4, 9, 4, 9));
  expect(offsetsOf(await read(10, first, second))).toEqual([
    [[0, 1, 2, 3], 4],
    [[4, 9], 10],
  ]);
  expect(first.isOpen).toBe(false);
});

it('errors that do not end are trouble in the end', async () => {
  const connection = new Connection(() => {
    vi.setSystemTime(Date.now() + 10_000);
    throw new Error('away');
  });
  await expect(read(10, connection)).rejects.toThrow(new TroubleError('Reading topic/0 from offset 0 on: away'));
});
