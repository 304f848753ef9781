import pino from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LaneReports } from '../../../src/entrypoints/lane-report.ts';
import type { ObservedLane, WatchedLane } from '../../../src/entrypoints/lane-watch.ts';
import { Watchdog } from '../../../src/entrypoints/watchdog.ts';
import type { Broker, ReadChunk } from '../../../src/service-layer/broker.ts';
import type { ReceivedRecord } from '../../../src/service-layer/records.ts';
import { joinPatterns } from '../../support/join-patterns.ts';

const topic = 'commands';
const WELL = { problem: null, awaited: null, publishing: null, pause: null };

describe('The watchdog', () => {
  let lanes: { -readonly [Key in keyof WatchedLane]: WatchedLane[Key] }[];
  /** The offsets of the records that a reader finds, by partition. */
  let records: number[][];
  let ends: number[];
  let committed: (number | null)[];
  let offsetRanges: Broker['offsetRanges'];
  let questions: number;
  let reads: number[];
  let log: string[];
  let watchdog: Watchdog;

  let isReaderHanging: boolean;

  const read: Broker['read'] = async (_topic, ranges, take, signal) => {
    for (const { partition, beginning, end } of ranges) {
      reads.push(partition);
      if (isReaderHanging)
        await new Promise((_resolve, reject) => signal?.addEventListener('abort', reject));
      const found =
        records[partition]?.filter((offset) => offset >= beginning && offset < end) ?? [];
      const asRecords = found.map(
        (offset) => ({ topic, partition, offset, timestampMs: offset }) as ReceivedRecord,
      );
      for (const one of [[], asRecords, []]) {
        await take({ partition, records: one, nextOffset: end } satisfies ReadChunk);
        signal?.throwIfAborted();
      }
    }
  };

  beforeEach(() => {
    vi.useFakeTimers();
    lanes = [
      { partition: 0, nextOffset: 5, readBelowOffset: 5, ...WELL },
      { partition: 1, nextOffset: 7, readBelowOffset: 7, ...WELL },
    ];
    records = [[], []];
    ends = [5, 7];
    committed = [5, 7];
    questions = 0;
    reads = [];
    isReaderHanging = false;
    log = [];
    offsetRanges = async () => ends.map((end, partition) => ({ partition, beginning: 0, end }));
    const broker = {
      offsetRanges: (of: string) => {
        questions += 1;
        return offsetRanges(of);
      },
      committedOffsets: async () => committed,
      read: (...question: Parameters<Broker['read']>) => read(...question),
    } as Partial<Broker> as Broker;
    watchdog = new Watchdog({
      broker,
      topic,
      group: 'group',
      lanes: () => lanes,
      log: pino(
        { level: 'info' },
        { write: (line: string) => void log.push(JSON.parse(line).msg) },
      ),
    });
    watchdog.start();
  });

  afterEach(async () => {
    watchdog.close();
    await pass(0);
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  const pass = (seconds: number) => vi.advanceTimersByTimeAsync(seconds * 1_000);
  const arrives = (partition: number, offset: number) => {
    records[partition]?.push(offset);
    ends[partition] = offset + 1;
  };

  it('reports a lane once that leaves a record unread for 30 s', async () => {
    arrives(0, 5);
    await pass(30);
    expect([watchdog.stuckPartitions.size, watchdog.problems()]).toEqual([0, []]);
    await pass(10);
    const sentence = expect.stringMatching(
      /^Partition 0 is stuck: it has stood at offset 5 for 3\d s, and records below offset 6 wait$/,
    );
    expect([watchdog.stuckPartitions.size, watchdog.problems()]).toEqual([1, [sentence]]);
    await pass(120);
    expect([log, reads]).toEqual([[sentence], [0]]);
  });

  it('does not call a paused lane stuck, and gives it 30 s again once it is resumed', async () => {
    const pause = { by: 'the operator', at: '2027-01-15T09:30:00.000Z', reason: 'wrong prices' };
    arrives(0, 5);
    await pass(40);
    expect(watchdog.stuckPartitions.size).toBe(1);
    Object.assign(lanes[0] as object, { pause });
    await pass(300);
    expect([watchdog.stuckPartitions.size, watchdog.problems()]).toEqual([0, []]);
    Object.assign(lanes[0] as object, { pause: null });
    await pass(30);
    expect(watchdog.stuckPartitions.size).toBe(0);
    await pass(10);
    expect(watchdog.stuckPartitions.size).toBe(1);
  });

  it('knows when the command was sent before which a lane is stuck', async () => {
    arrives(0, 5);
    await pass(30);
    expect(watchdog.headSentMs(0)).toBeNull();
    await pass(10);
    expect([watchdog.headSentMs(0), watchdog.headSentMs(1)]).toEqual([5, null]);
    Object.assign(lanes[0] as object, { nextOffset: 6, readBelowOffset: 6 });
    expect(watchdog.headSentMs(0)).toBeNull();
  });

  /** Adds up how many offsets the lanes have still to decide, as far as that is known. */
  const lag = () =>
    new LaneReports(() => lanes as unknown as ObservedLane[], watchdog)
      .now()
      .reduce((sum, { lagMessages }) => sum + (lagMessages ?? 0), 0);

  it('knows how many offsets its lanes have still to answer', async () => {
    expect(lag()).toBe(0);
    ends = [9, 17];
    await pass(5);
    Object.assign(lanes[0] as object, { nextOffset: 6 });
    expect(lag()).toBe(3 + 10);
    Object.assign(lanes[1] as object, { nextOffset: null });
    expect(lag()).toBe(3);
    Object.assign(lanes[0] as object, { nextOffset: 12 });
    expect(lag()).toBe(0);
  });

  it('counts no offset as unanswered that retention has deleted', async () => {
    offsetRanges = async () => [{ partition: 0, beginning: 8, end: 9 }];
    await pass(5);
    expect(lag()).toBe(1);
  });

  it('reports once that a stuck lane moves again', async () => {
    arrives(0, 5);
    await pass(40);
    Object.assign(lanes[0] as object, { nextOffset: 6, readBelowOffset: 6 });
    expect(watchdog.stuckPartitions.size).toBe(0);
    await pass(60);
    expect([watchdog.problems(), log.slice(1)]).toEqual([
      [],
      ['Partition 0 moves again, at offset 6'],
    ]);
  });

  it('does not report a lane that moves now and then, however much lies before it', async () => {
    ends[0] = 1_000;
    records[0] = Array.from({ length: 1_000 }, (_, offset) => offset);
    for (let offset = 6; offset < 20; offset += 1) {
      await pass(20);
      Object.assign(lanes[0] as object, { nextOffset: offset });
    }
    expect([watchdog.problems(), reads]).toEqual([[], []]);
  });

  it('does not report a lane that reads on while its position stands', async () => {
    ends[0] = 1_000;
    records[0] = Array.from({ length: 1_000 }, (_, offset) => offset);
    for (let offset = 6; offset < 12; offset += 1) {
      await pass(20);
      Object.assign(lanes[0] as object, { readBelowOffset: offset });
    }
    expect([watchdog.problems(), reads]).toEqual([[], []]);
    await pass(40);
    expect(watchdog.stuckPartitions.size).toBe(1);
  });

  it('gives a record that comes behind markers 30 s of its own', async () => {
    ends[0] = 6;
    await pass(30);
    arrives(0, 6);
    await pass(25);
    expect(watchdog.problems()).toEqual([]);
    await pass(40);
    expect(watchdog.problems()).toHaveLength(1);
  });

  it('does not report a lane that waits for other lanes as long as those move', async () => {
    arrives(0, 5);
    const wait = { lanes: 'commands/1 stands at 7 of 90', partitions: [1], moves: 0 };
    for (; wait.moves < 10; wait.moves += 1) {
      Object.assign(lanes[0] as object, { awaited: { ...wait } });
      await pass(20);
    }
    expect([watchdog.problems(), reads]).toEqual([[], []]);
    await pass(25);
    expect(watchdog.problems()[0]).toContain(
      '(it waits for other lanes: commands/1 stands at 7 of 90)',
    );
  });

  it('reads nothing for a lane if retention has deleted all records before it', async () => {
    offsetRanges = async () => [{ partition: 0, beginning: 8, end: 8 }];
    await pass(60);
    expect([watchdog.problems(), reads]).toEqual([[], []]);
    offsetRanges = async () => [{ partition: 0, beginning: 8, end: 9 }];
    records[0] = [8];
    await pass(40);
    expect([watchdog.stuckPartitions.size, reads]).toEqual([1, [0]]);
  });

  it('does not report a lane with only markers before it, and reads them once', async () => {
    ends[0] = 6;
    await pass(300);
    expect([watchdog.problems(), reads]).toEqual([[], [0]]);
    arrives(0, 6);
    await pass(20);
    expect(watchdog.problems()).toEqual([]);
    await pass(20);
    expect(watchdog.problems()).toHaveLength(1);
  });

  it('reports a lane that has not opened, with the reason', async () => {
    lanes = [
      {
        partition: 1,
        nextOffset: null,
        readBelowOffset: 0,
        problem: 'the database is away',
        awaited: null,
        publishing: null,
        pause: null,
      },
    ];
    arrives(1, 7);
    await pass(40);
    expect(watchdog.problems()).toEqual([expect.stringContaining('it has not opened for 3')]);
    expect(watchdog.problems()).toEqual([
      expect.stringContaining('below offset 8 wait (the database is away)'),
    ]);
  });

  it('does not report a lane that has not opened if everything is answered', async () => {
    records[1] = [0, 1, 2, 3, 4, 5, 6];
    lanes = [
      {
        partition: 1,
        nextOffset: null,
        readBelowOffset: 0,
        problem: 'the database is away',
        awaited: null,
        publishing: null,
        pause: null,
      },
    ];
    await pass(60);
    expect(watchdog.problems()).toEqual([]);
  });

  it('reports that a stuck lane was closed, and forgets the lane', async () => {
    arrives(0, 5);
    await pass(40);
    lanes = [];
    await pass(5);
    expect([watchdog.problems(), log.slice(1)]).toEqual([
      [],
      ['Partition 0 was stuck, and its lane has closed'],
    ]);
  });

  it('reports a lane that opens again and again at the same offset', async () => {
    arrives(0, 5);
    for (let times = 0; times < 3; times += 1) {
      lanes = [
        {
          partition: 0,
          nextOffset: null,
          readBelowOffset: 0,
          problem: 'the lane is opening',
          awaited: null,
          publishing: null,
          pause: null,
        },
      ];
      await pass(5);
      lanes = [
        {
          partition: 0,
          nextOffset: 5,
          readBelowOffset: 6,
          problem: null,
          awaited: null,
          publishing: null,
          pause: null,
        },
      ];
      await pass(5);
    }
    // The first lane had not read the record, but the second one had. That was a move.
    expect(watchdog.stuckPartitions.size).toBe(0);
    await pass(10);
    expect(watchdog.stuckPartitions.size).toBe(1);
  });

  it('reports a lane whose answers wait for 30 s, and what they wait for', async () => {
    const publishing = { nextOffset: 9, awaitedPartitions: [1, 2] };
    Object.assign(lanes[0] as object, { publishing });
    await pass(30);
    expect(watchdog.stuckPartitions.size).toBe(0);
    await pass(10);
    const sentence = expect.stringMatching(
      joinPatterns(
        /^Partition 0 is stuck: its answers to commands below offset 9 have waited for 3\d s /,
        /\(for answers of partitions 1, 2\)$/,
      ),
    );
    expect([watchdog.stuckPartitions.size, watchdog.problems(), log]).toEqual([
      1,
      [sentence],
      [sentence],
    ]);
  });

  it('names Kafka for answers that wait for no other partition', async () => {
    Object.assign(lanes[0] as object, { publishing: { nextOffset: 9, awaitedPartitions: [] } });
    await pass(40);
    expect(watchdog.problems()).toEqual([expect.stringMatching(/\(for Kafka\)$/)]);
  });

  it('does not report a lane whose answers go out one after the other', async () => {
    for (let nextOffset = 9; nextOffset < 13; nextOffset += 1) {
      Object.assign(lanes[0] as object, { publishing: { nextOffset, awaitedPartitions: [1] } });
      await pass(20);
    }
    expect([watchdog.stuckPartitions.size, log]).toEqual([0, []]);
  });

  it('reports once that a stuck lane publishes again', async () => {
    Object.assign(lanes[0] as object, { publishing: { nextOffset: 9, awaitedPartitions: [1] } });
    await pass(40);
    Object.assign(lanes[0] as object, { publishing: null });
    expect(watchdog.stuckPartitions.size).toBe(0);
    await pass(60);
    expect(log.slice(1)).toEqual(['Partition 0 publishes again']);
  });

  it('reads for at most four lanes at a time', async () => {
    isReaderHanging = true;
    lanes = [0, 1, 2, 3, 4, 5].map((partition) => ({
      partition,
      nextOffset: null,
      readBelowOffset: 0,
      problem: null,
      awaited: null,
      publishing: null,
      pause: null,
    }));
    records = lanes.map(() => [0]);
    ends = lanes.map(() => 1);
    committed = [];
    await pass(40);
    expect(reads).toEqual([0, 1, 2, 3]);
  });

  it('is not ready if the log has not answered for 30 s, whether it fails or hangs', async () => {
    offsetRanges = () => new Promise(() => {});
    await pass(20);
    expect(watchdog.problems()).toEqual([]);
    await pass(15);
    expect(watchdog.problems()).toEqual([
      'The log has not answered for 35 s: no answer within 10 s',
    ]);
    expect(questions).toBeGreaterThan(1);
    offsetRanges = async () => Promise.reject(new Error('connection refused'));
    await pass(15);
    expect(watchdog.problems()).toEqual(['The log has not answered for 50 s: connection refused']);
    offsetRanges = async () => [];
    await pass(15);
    expect(watchdog.problems()).toEqual([]);
  });

  it('does not report a lane while the log cannot be read, and tries again', async () => {
    isReaderHanging = true;
    arrives(0, 5);
    await pass(60);
    expect([watchdog.problems(), reads]).toEqual([[], [0, 0]]);
    isReaderHanging = false;
    await pass(20);
    expect(watchdog.problems()).toHaveLength(1);
  });

  it('asks one question for all lanes together', async () => {
    await pass(60);
    expect(questions).toBe(12);
  });

  it('counts from the beginning if the process itself stood still', async () => {
    arrives(0, 5);
    await pass(5);
    vi.setSystemTime(Date.now() + 3_600_000);
    await pass(5);
    expect(watchdog.problems()).toEqual([]);
    await pass(20);
    expect(watchdog.problems()).toEqual([]);
    await pass(20);
    expect(watchdog.problems()).toHaveLength(1);
  });
});
