import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EarlierCommands } from '../../../src/entrypoints/earlier-commands.ts';
import type { Head } from '../../../src/entrypoints/known-lanes.ts';
import type { Metrics } from '../../../src/entrypoints/metrics.ts';
import type { Broker, OffsetRange } from '../../../src/service-layer/broker.ts';
import type { LaneStanding, LaneStore } from '../../../src/service-layer/lane-store.ts';

const topic = 'commands';
const PATIENCE_MS = 10_000;
/** Longer than the watchdog's patience. */
const LONG_S = 60;

/** A log of three partitions, and a database, as two processes see them. */
class Surroundings {
  ends = [10, 10, 10];
  /** Partitions that hold no record beyond their lane. */
  readonly empty = new Set<number>();
  readonly standings = new Map<number, { nextOffset: number; nextTimestampMs: number | null }>();
  readonly outcomes: string[] = [];
  readonly warnings: string[] = [];
  isLogAway = false;
  isDatabaseAway = false;
  /** So many notes of lanes that wait get lost. */
  lostNotes = 0;
  /** Resolves before the log answers. */
  held: Promise<void> = Promise.resolve();

  process(): EarlierCommands {
    const broker = {
      offsetRanges: async (): Promise<OffsetRange[]> => {
        if (this.isLogAway) throw new Error('no leader');
        const ranges = this.ends.map((end, partition) => ({ partition, beginning: 0, end }));
        await this.held;
        return ranges;
      },
      read: async (
        _: string,
        [range]: readonly OffsetRange[],
        take: (delivery: { records: readonly unknown[] }) => Promise<void>,
      ) => {
        await take({ records: range && this.empty.has(range.partition) ? [] : ['record'] });
      },
    } as unknown as Broker;
    const store = {
      readStandings: async (): Promise<LaneStanding[]> => {
        if (this.isDatabaseAway) throw new Error('no database');
        return [...this.standings].map(([partition, lane]) => ({ topic, partition, ...lane }));
      },
      noteNext: async ({ partition, nextOffset, nextTimestampMs }: Head) => {
        this.lostNotes -= 1;
        if (this.lostNotes >= 0) throw new Error('no database');
        this.standings.set(partition, { nextOffset, nextTimestampMs });
      },
    } as unknown as LaneStore;
    const metrics = {
      waited: (outcome: string) => this.outcomes.push(outcome),
    } as unknown as Metrics;
    const log = pino(
      { level: 'warn' },
      { write: (line: string) => void this.warnings.push(JSON.parse(line).msg) },
    );
    return new EarlierCommands({ broker, store, metrics, log });
  }

  stand(partition: number, nextOffset: number): void {
    this.standings.set(partition, { nextOffset, nextTimestampMs: null });
  }
}

describe('before a command is rejected as unknown', () => {
  let around: Surroundings;
  let process: EarlierCommands;
  const lane = (partition: number, nextOffset: number) => ({ topic, partition, nextOffset });
  const always = () => true;
  /** Before which times commands are served by the waits that are through. */
  const served: number[] = [];
  /** Waits, at the command that was sent at that time. */
  const settle = async (
    by: EarlierCommands,
    partition: number,
    nextOffset: number,
    sentMs: number,
    isWanted = always,
  ) => {
    const ends = await by.undecided(lane(partition, nextOffset), isWanted);
    served.push(
      await by.wait({ ...lane(partition, nextOffset), nextTimestampMs: sentMs }, ends, isWanted),
    );
    return `lane ${partition}`;
  };
  /** Which of them are through after so many milliseconds. */
  const throughAfter = async (ms: number, waits: readonly Promise<string>[]) => {
    const through: string[] = [];
    for (const wait of waits) void wait.then((name) => through.push(name));
    await vi.advanceTimersByTimeAsync(ms);
    return through;
  };

  beforeEach(() => {
    vi.useFakeTimers();
    served.length = 0;
    around = new Surroundings();
    process = around.process();
    for (const partition of [0, 1, 2]) around.stand(partition, 10);
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  it('nothing is waited for where each other lane has come to the end', async () => {
    around.stand(0, 3);
    expect(await process.undecided(lane(0, 3), always)).toEqual([]);
  });

  it('a lane without a position in the database is one that has decided nothing', async () => {
    around.standings.delete(2);
    expect(await process.undecided(lane(0, 10), always)).toEqual([lane(2, 10)]);
  });

  it('the ends are asked for anew, though another lane has just asked', async () => {
    const answered = Promise.withResolvers<void>();
    around.held = answered.promise;
    const first = process.undecided(lane(0, 10), always);
    await vi.advanceTimersByTimeAsync(1);
    around.ends = [10, 11, 10];
    const others = [1, 2].map(() => process.undecided(lane(0, 10), always));
    answered.resolve();
    expect(await Promise.all([first, ...others])).toEqual([[], [lane(1, 11)], [lane(1, 11)]]);
  });

  it('another lane of the process is waited for, and no longer', async () => {
    around.stand(1, 8);
    const waits = [settle(process, 0, 10, 5)];
    expect(await throughAfter(5, waits)).toEqual([]);
    process.note(lane(1, 9));
    expect(await throughAfter(1, waits)).toEqual([]);
    process.note(lane(1, 10));
    expect(await throughAfter(1, waits)).toEqual(['lane 0']);
    expect([around.outcomes, served]).toEqual([['decided'], [Number.POSITIVE_INFINITY]]);
  });

  it('a lane of another process is waited for', async () => {
    around.stand(1, 8);
    const waits = [settle(process, 0, 10, 5)];
    expect(await throughAfter(2_000, waits)).toEqual([]);
    around.stand(1, 10);
    expect(await throughAfter(450, waits)).toEqual(['lane 0']);
  });

  describe.each([
    ['one process', () => process],
    ['two processes', () => around.process()],
  ])('of lanes of %s that wait for each other', (_, other) => {
    it.each([
      ['the one with the earlier command goes on', 6, 5, 'lane 1'],
      ['the lower one goes on where both commands were sent at once', 5, 5, 'lane 0'],
    ])('%s', async (_, firstMs, secondMs, expected) => {
      around.stand(0, 8);
      around.stand(1, 8);
      const waits = [settle(process, 0, 8, firstMs), settle(other(), 1, 8, secondMs)];
      expect(await throughAfter(1_000, waits)).toEqual([expected]);
      // What follows in its delivery may have been sent after what the other one has not decided.
      expect(served).toEqual([Math.max(firstMs, secondMs)]);
    });
  });

  it('what a lane has said counts no more once it has moved on', async () => {
    around.stand(1, 8);
    around.standings.set(1, { nextOffset: 8, nextTimestampMs: 9 });
    expect(await throughAfter(100, [settle(process, 0, 10, 5)])).toEqual(['lane 0']);
    around.stand(1, 9);
    expect(await throughAfter(1_000, [settle(process, 0, 10, 5)])).toEqual([]);
  });

  it('a lane that stands still is waited for, in words and in the metrics, as long as it may', async () => {
    around.stand(1, 8);
    const waits = [settle(process, 0, 10, 5)];
    expect(await throughAfter(PATIENCE_MS - 100, waits)).toEqual([]);
    expect(await throughAfter(600, waits)).toEqual(['lane 0']);
    expect(around.outcomes).toEqual(['ran-out']);
    expect(around.warnings[0]).toMatch(
      /commands\/0 has waited 10 s at offset 10 .* commands\/1 stands at 8 of 10/,
    );
  });

  it('a lane that was given up is waited for again once it moves', async () => {
    around.stand(1, 7);
    await throughAfter(PATIENCE_MS + 500, [settle(process, 0, 10, 5)]);
    around.ends = [10, 12, 10];
    expect(await process.undecided(lane(0, 10), always)).toEqual([]);
    around.stand(1, 8);
    expect(await process.undecided(lane(0, 10), always)).toEqual([lane(1, 12)]);
  });

  it('a lane that moves is waited for as long as it moves, and the wait says so', async () => {
    around.ends = [10, 10 + LONG_S, 10];
    const waits = [settle(process, 0, 10, 5)];
    for (let second = 1; second < LONG_S; second += 1) {
      process.note(lane(1, 10 + second));
      expect(await throughAfter(1_000, waits)).toEqual([]);
    }
    const lanes = expect.stringMatching(/commands\/1 stands at \d+ of 70/);
    expect(process.awaitedBy(lane(0, 10))).toEqual({
      lanes,
      partitions: [1],
      moves: expect.any(Number),
    });
    expect(around.warnings).toEqual([lanes, lanes]);
    process.note(lane(1, 10 + LONG_S));
    expect(await throughAfter(1, waits)).toEqual(['lane 0']);
    expect([around.outcomes, process.awaitedBy(lane(0, 10))]).toEqual([['decided'], null]);
  });

  it('no lane is given up while the database is away, and none because of that', async () => {
    around.ends = [10, 12, 10];
    const waits = [settle(process, 0, 10, 5)];
    await throughAfter(1_000, waits);
    around.isDatabaseAway = true;
    expect(await throughAfter(2 * PATIENCE_MS, waits)).toEqual([]);
    around.isDatabaseAway = false;
    expect(await throughAfter(PATIENCE_MS - 1_000, waits)).toEqual([]);
    around.stand(1, 12);
    expect(await throughAfter(1_000, waits)).toEqual(['lane 0']);
    expect(around.outcomes).toEqual(['decided']);
  });

  it('only the lane that stands still is given up, beside one that moves', async () => {
    around.ends = [10, 10 + LONG_S, 11];
    const waits = [settle(process, 0, 10, 5)];
    for (let second = 1; second < LONG_S; second += 1) {
      process.note(lane(1, 10 + second));
      expect(await throughAfter(1_000, waits)).toEqual([]);
    }
    expect([around.outcomes, await process.undecided(lane(0, 10), always)]).toEqual([
      ['ran-out'],
      [lane(1, 10 + LONG_S)],
    ]);
    process.note(lane(1, 10 + LONG_S));
    expect(await throughAfter(1, waits)).toEqual(['lane 0']);
  });

  describe('behind a lane that waits for a third one itself', () => {
    beforeEach(() => {
      around.stand(0, 9);
      around.stand(1, 9);
      around.ends = [10, 10, 10 + LONG_S];
    });

    it.each([
      ['', () => {}],
      [', also when it could not say at first that it waits', () => (around.lostNotes = 1)],
      [
        ', also while the log does not tell where the third one ends',
        () => (around.isLogAway = true),
      ],
    ])('is waited for as long as the third one moves%s', async (_, happen) => {
      const waits = [settle(around.process(), 0, 9, 5), settle(process, 1, 9, 6)];
      await throughAfter(1, waits);
      happen();
      for (let second = 1; second < LONG_S; second += 1) {
        around.stand(2, 10 + second);
        expect(await throughAfter(1_000, waits)).toEqual([]);
      }
      around.stand(2, 10 + LONG_S);
      expect(await throughAfter(500, waits)).toEqual(['lane 0']);
      around.stand(0, 10);
      expect(await throughAfter(500, waits)).toEqual(['lane 0', 'lane 1']);
      expect(around.outcomes).toEqual(['decided', 'decided']);
    });

    it('only the third one is given up when that one stands still', async () => {
      const waits = [settle(around.process(), 0, 9, 5), settle(process, 1, 9, 6)];
      expect(await throughAfter(PATIENCE_MS + 1_000, waits)).toEqual(['lane 0']);
      around.stand(0, 10);
      expect(await throughAfter(500, waits)).toEqual(['lane 0', 'lane 1']);
    });

    it('goes on when that lane has died, though the third one moves for ever', async () => {
      around.standings.set(0, { nextOffset: 9, nextTimestampMs: 5 });
      const waits = [settle(process, 1, 9, 6)];
      let seconds = 0;
      for (; (await throughAfter(1_000, waits)).length === 0; seconds += 1) {
        around.ends = [10, 10, 12 + LONG_S + seconds];
        around.stand(2, 11 + seconds);
        expect(seconds).toBeLessThan(2 * LONG_S);
      }
    });
  });

  it('a partition that ends with markers of transactions is not waited for', async () => {
    around.ends = [10, 12, 10];
    around.empty.add(1);
    expect(await throughAfter(100, [settle(process, 0, 10, 5)])).toEqual(['lane 0']);
    expect(await process.undecided(lane(0, 10), always)).toEqual([]);
  });

  it('a log that does not say where it ends is asked as long as it may', async () => {
    vi.useRealTimers();
    around.isLogAway = true;
    let asked = 0;
    const isWanted = () => {
      asked += 1;
      return asked < 3;
    };
    expect(await process.undecided(lane(0, 10), isWanted)).toEqual([]);
    expect(asked).toBe(3);
  });

  it('nothing is waited for by a lane that does not want it any more', async () => {
    around.stand(1, 8);
    let isWanted = true;
    const waits = [settle(process, 0, 10, 5, () => isWanted)];
    await throughAfter(700, waits);
    isWanted = false;
    process.look();
    expect(await throughAfter(0, waits)).toEqual(['lane 0']);
    expect([around.outcomes, process.awaitedBy(lane(0, 10))]).toEqual([[], null]);
  });
});
