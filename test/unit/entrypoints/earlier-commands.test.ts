import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EarlierCommands } from '../../../src/entrypoints/earlier-commands.ts';
import type { Head } from '../../../src/entrypoints/known-lanes.ts';
import type { LaneMetrics } from '../../../src/entrypoints/metrics/lane-metrics.ts';
import type { Broker, OffsetRange } from '../../../src/service-layer/broker.ts';
import type { LaneStanding, LaneStore } from '../../../src/service-layer/lane-store.ts';

const topic = 'commands';
const PATIENCE_MS = 10_000;
/** Longer than the watchdog's patience. */
const LONG_S = 60;

/** A log of three partitions, and a database, as two processes see them. */
class Surroundings {
  ends = [10, 10, 10];
  /** Partitions that have no record behind the position of their lane. */
  readonly empty = new Set<number>();
  readonly standings = new Map<number, Omit<LaneStanding, 'topic' | 'partition'>>();
  readonly outcomes: string[] = [];
  readonly warnings: string[] = [];
  isLogAway = false;
  isDatabaseAway = false;
  /** How many notes of waiting lanes get lost. */
  lostNotes = 0;
  /** The log answers once this promise resolves. */
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
      countWait: (outcome: string) => this.outcomes.push(outcome),
    } as unknown as LaneMetrics;
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
  /** For each finished wait, the time below which commands need not wait again. */
  const served: number[] = [];
  /** Waits at a command that was sent at `sentMs`. */
  const settle = async (
    by: EarlierCommands,
    partition: number,
    nextOffset: number,
    sentMs: number,
    isWanted = always,
  ) => {
    const ends = await by.undecidedEnds(lane(partition, nextOffset), isWanted);
    served.push(
      await by.wait({ ...lane(partition, nextOffset), nextTimestampMs: sentMs }, ends, isWanted),
    );
    return `lane ${partition}`;
  };
  /** Lists the waits that have ended after `ms`. */
  const endedAfter = async (ms: number, waits: readonly Promise<string>[]) => {
    const ended: string[] = [];
    for (const wait of waits) void wait.then((name) => ended.push(name));
    await vi.advanceTimersByTimeAsync(ms);
    return ended;
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

  it('no lane is awaited if every other lane has reached the end', async () => {
    around.stand(0, 3);
    expect(await process.undecidedEnds(lane(0, 3), always)).toEqual([]);
  });

  it('a lane without a position in the database has decided nothing', async () => {
    around.standings.delete(2);
    expect(await process.undecidedEnds(lane(0, 10), always)).toEqual([lane(2, 10)]);
  });

  it('the ends are read again even if another lane has just read them', async () => {
    const answered = Promise.withResolvers<void>();
    around.held = answered.promise;
    const first = process.undecidedEnds(lane(0, 10), always);
    await vi.advanceTimersByTimeAsync(1);
    around.ends = [10, 11, 10];
    const others = [1, 2].map(() => process.undecidedEnds(lane(0, 10), always));
    answered.resolve();
    expect(await Promise.all([first, ...others])).toEqual([[], [lane(1, 11)], [lane(1, 11)]]);
  });

  it('another lane of the process is awaited until it reaches the end', async () => {
    around.stand(1, 8);
    const waits = [settle(process, 0, 10, 5)];
    expect(await endedAfter(5, waits)).toEqual([]);
    process.note(lane(1, 9));
    expect(await endedAfter(1, waits)).toEqual([]);
    process.note(lane(1, 10));
    expect(await endedAfter(1, waits)).toEqual(['lane 0']);
    expect([around.outcomes, served]).toEqual([['decided'], [Number.POSITIVE_INFINITY]]);
  });

  it('a lane of another process is awaited until it reaches the end', async () => {
    around.stand(1, 8);
    const waits = [settle(process, 0, 10, 5)];
    expect(await endedAfter(2_000, waits)).toEqual([]);
    around.stand(1, 10);
    expect(await endedAfter(450, waits)).toEqual(['lane 0']);
  });

  describe.each([
    ['one process', () => process],
    ['two processes', () => around.process()],
  ])('if lanes of %s wait for each other', (_, other) => {
    it.each([
      ['the lane with the earlier command goes on', 6, 5, 'lane 1', 6],
      // A record batch may give one time to all its commands. All of them go on.
      ['the lower lane goes on if both commands were sent at once', 5, 5, 'lane 0', 6],
    ])('%s', async (_, firstMs, secondMs, expected, servedBeforeMs) => {
      around.stand(0, 8);
      around.stand(1, 8);
      const waits = [settle(process, 0, 8, firstMs), settle(other(), 1, 8, secondMs)];
      expect(await endedAfter(1_000, waits)).toEqual([expected]);
      // Later commands of its delivery may be newer than what the other lane has not decided.
      expect(served).toEqual([servedBeforeMs]);
    });
  });

  it('the note of a lane does not count once the lane has moved on', async () => {
    around.stand(1, 8);
    around.standings.set(1, { nextOffset: 8, nextTimestampMs: 9 });
    expect(await endedAfter(100, [settle(process, 0, 10, 5)])).toEqual(['lane 0']);
    around.stand(1, 9);
    expect(await endedAfter(1_000, [settle(process, 0, 10, 5)])).toEqual([]);
  });

  it('a lane that stands still is given up after 10 s, with a warning and a metric', async () => {
    around.stand(1, 8);
    const waits = [settle(process, 0, 10, 5)];
    expect(await endedAfter(PATIENCE_MS - 100, waits)).toEqual([]);
    expect(await endedAfter(600, waits)).toEqual(['lane 0']);
    expect(around.outcomes).toEqual(['ran-out']);
    expect(around.warnings[0]).toMatch(
      /commands\/0 has waited 10 s at offset 10 .* commands\/1 stands at 8 of 10/,
    );
  });

  it('a paused lane is awaited until it is resumed and reaches the end', async () => {
    around.standings.set(1, { nextOffset: 8, nextTimestampMs: null, isPaused: true });
    const waits = [settle(process, 0, 10, 5)];
    expect(await endedAfter(LONG_S * 1_000, waits)).toEqual([]);
    const moves = process.awaitedLanesOf(lane(0, 10))?.moves ?? 0;
    expect(await endedAfter(1_000, waits)).toEqual([]);
    // The watchdog sees that the wait goes on.
    expect(process.awaitedLanesOf(lane(0, 10))?.moves).toBeGreaterThan(moves);
    expect(around.warnings).toContainEqual(
      expect.stringMatching(/commands\/1 stands at 8 of 10 and is paused/),
    );
    around.stand(1, 8);
    expect(await endedAfter(PATIENCE_MS - 1_000, waits)).toEqual([]);
    around.stand(1, 10);
    expect(await endedAfter(1_000, waits)).toEqual(['lane 0']);
    expect(around.outcomes).toEqual(['decided']);
  });

  it('a paused lane is not awaited if its partition holds no command', async () => {
    around.standings.set(1, { nextOffset: 8, nextTimestampMs: null, isPaused: true });
    around.empty.add(1);
    expect(await endedAfter(2_000, [settle(process, 0, 10, 5)])).toEqual(['lane 0']);
  });

  it('a lane that was given up is awaited again once it moves', async () => {
    around.stand(1, 7);
    await endedAfter(PATIENCE_MS + 500, [settle(process, 0, 10, 5)]);
    around.ends = [10, 12, 10];
    expect(await process.undecidedEnds(lane(0, 10), always)).toEqual([]);
    around.stand(1, 8);
    expect(await process.undecidedEnds(lane(0, 10), always)).toEqual([lane(1, 12)]);
  });

  it('a lane that moves is awaited as long as it moves, with warnings', async () => {
    around.ends = [10, 10 + LONG_S, 10];
    const waits = [settle(process, 0, 10, 5)];
    for (let second = 1; second < LONG_S; second += 1) {
      process.note(lane(1, 10 + second));
      expect(await endedAfter(1_000, waits)).toEqual([]);
    }
    const lanes = expect.stringMatching(/commands\/1 stands at \d+ of 70/);
    expect(process.awaitedLanesOf(lane(0, 10))).toEqual({
      lanes,
      partitions: [1],
      moves: expect.any(Number),
    });
    expect(around.warnings).toEqual([lanes, lanes]);
    process.note(lane(1, 10 + LONG_S));
    expect(await endedAfter(1, waits)).toEqual(['lane 0']);
    expect([around.outcomes, process.awaitedLanesOf(lane(0, 10))]).toEqual([['decided'], null]);
  });

  it('no lane is given up because the database cannot be reached', async () => {
    around.ends = [10, 12, 10];
    const waits = [settle(process, 0, 10, 5)];
    await endedAfter(1_000, waits);
    around.isDatabaseAway = true;
    expect(await endedAfter(2 * PATIENCE_MS, waits)).toEqual([]);
    around.isDatabaseAway = false;
    expect(await endedAfter(PATIENCE_MS - 1_000, waits)).toEqual([]);
    around.stand(1, 12);
    expect(await endedAfter(1_000, waits)).toEqual(['lane 0']);
    expect(around.outcomes).toEqual(['decided']);
  });

  it('a lane that stands still is given up even if another lane moves', async () => {
    around.ends = [10, 10 + LONG_S, 11];
    const waits = [settle(process, 0, 10, 5)];
    for (let second = 1; second < LONG_S; second += 1) {
      process.note(lane(1, 10 + second));
      expect(await endedAfter(1_000, waits)).toEqual([]);
    }
    expect([around.outcomes, await process.undecidedEnds(lane(0, 10), always)]).toEqual([
      ['ran-out'],
      [lane(1, 10 + LONG_S)],
    ]);
    process.note(lane(1, 10 + LONG_S));
    expect(await endedAfter(1, waits)).toEqual(['lane 0']);
  });

  describe('a lane behind another lane that waits for a third one', () => {
    beforeEach(() => {
      around.stand(0, 9);
      around.stand(1, 9);
      around.ends = [10, 10, 10 + LONG_S];
    });

    it.each([
      ['', () => {}],
      [', even if a note is lost at first', () => (around.lostNotes = 1)],
      [', even if the log does not tell its end', () => (around.isLogAway = true)],
    ])('waits as long as the third one moves%s', async (_, happen) => {
      const waits = [settle(around.process(), 0, 9, 5), settle(process, 1, 9, 6)];
      await endedAfter(1, waits);
      happen();
      for (let second = 1; second < LONG_S; second += 1) {
        around.stand(2, 10 + second);
        expect(await endedAfter(1_000, waits)).toEqual([]);
      }
      around.stand(2, 10 + LONG_S);
      expect(await endedAfter(500, waits)).toEqual(['lane 0']);
      around.stand(0, 10);
      expect(await endedAfter(500, waits)).toEqual(['lane 0', 'lane 1']);
      expect(around.outcomes).toEqual(['decided', 'decided']);
    });

    it('gives up only the third one if that one stands still', async () => {
      const waits = [settle(around.process(), 0, 9, 5), settle(process, 1, 9, 6)];
      expect(await endedAfter(PATIENCE_MS + 1_000, waits)).toEqual(['lane 0']);
      around.stand(0, 10);
      expect(await endedAfter(500, waits)).toEqual(['lane 0', 'lane 1']);
    });

    it('goes on if the other lane has died, even if the third one moves for ever', async () => {
      around.standings.set(0, { nextOffset: 9, nextTimestampMs: 5 });
      const waits = [settle(process, 1, 9, 6)];
      let seconds = 0;
      for (; (await endedAfter(1_000, waits)).length === 0; seconds += 1) {
        around.ends = [10, 10, 12 + LONG_S + seconds];
        around.stand(2, 11 + seconds);
        expect(seconds).toBeLessThan(2 * LONG_S);
      }
    });
  });

  it('a partition that ends with markers of transactions is not awaited', async () => {
    around.ends = [10, 12, 10];
    around.empty.add(1);
    expect(await endedAfter(100, [settle(process, 0, 10, 5)])).toEqual(['lane 0']);
    expect(await process.undecidedEnds(lane(0, 10), always)).toEqual([]);
  });

  it('a log that does not tell its ends is asked as long as the lane wants it', async () => {
    vi.useRealTimers();
    around.isLogAway = true;
    let asked = 0;
    const isWanted = () => {
      asked += 1;
      return asked < 3;
    };
    expect(await process.undecidedEnds(lane(0, 10), isWanted)).toEqual([]);
    expect(asked).toBe(3);
  });

  it('a lane that no longer wants to wait goes on at once', async () => {
    around.stand(1, 8);
    let isWanted = true;
    const waits = [settle(process, 0, 10, 5, () => isWanted)];
    await endedAfter(700, waits);
    isWanted = false;
    process.look();
    expect(await endedAfter(0, waits)).toEqual(['lane 0']);
    expect([around.outcomes, process.awaitedLanesOf(lane(0, 10))]).toEqual([[], null]);
  });
});
