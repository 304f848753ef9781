import { beforeEach, describe, expect, it } from 'vitest';
import { type LaneView, Standstill } from '../../../src/entrypoints/standstill.ts';
import type { PartitionOffset } from '../../../src/service-layer/records.ts';

const end = (partition: number): PartitionOffset => ({
  topic: 'commands',
  partition,
  nextOffset: 100,
});
const ENDS = [end(0), end(1)];

/** The lanes of a topic, of which some wait for lane 1. */
class Lanes implements LaneView {
  readonly offsets = new Map<number, number>();
  readonly waiting = new Set<number>();
  readonly paused = new Set<number>();
  /** The partitions whose positions were looked up. */
  readonly lookedAt: number[] = [];
  /** The ends that bounded each wait. */
  readonly bounds: (readonly PartitionOffset[])[] = [];
  readonly asked: PromiseWithResolvers<readonly PartitionOffset[]>[] = [];

  decidedOffset({ partition }: PartitionOffset) {
    this.lookedAt.push(partition);
    return this.offsets.get(partition) ?? 0;
  }
  isWaiting({ partition }: PartitionOffset) {
    return this.waiting.has(partition);
  }
  isPaused({ partition }: PartitionOffset) {
    return this.paused.has(partition);
  }
  blockingEnds(_: PartitionOffset, ends: readonly PartitionOffset[]) {
    this.bounds.push(ends);
    return [end(1)];
  }
  ends() {
    const answer = Promise.withResolvers<readonly PartitionOffset[]>();
    this.asked.push(answer);
    return answer.promise;
  }
}

let lanes: Lanes;
let standstill: Standstill;
beforeEach(() => {
  lanes = new Lanes();
  standstill = new Standstill(lanes);
});
/** Looks at both lanes at these times. @returns the partitions that stand still at the last look */
const look = (...timesMs: readonly number[]) =>
  timesMs.map((ms) => standstill.look(ENDS, ms).map(({ partition }) => partition)).at(-1);

describe('A lane', () => {
  it('stands still once it has not moved for more than 10 s', () => {
    expect(look(0, 5_000, 10_000)).toEqual([]);
    expect(look(10_001)).toEqual([0, 1]);
  });

  it('has another 10 s after each move', () => {
    look(0, 5_000);
    lanes.offsets.set(0, 1);
    expect(look(10_000, 15_000)).toEqual([1]);
    expect(standstill.moves).toBe(1);
  });

  it('has another 10 s, but no move, after a long gap between two looks', () => {
    expect(look(0, 5_000, 10_001)).toEqual([]);
    expect(look(15_000, 20_001)).toEqual([]);
    expect(standstill.moves).toBe(0);
  });

  it('has stood only after a second look without a move', () => {
    expect(standstill.hasStood(end(0))).toBe(false);
    look(0);
    expect(standstill.hasStood(end(0))).toBe(false);
    look(1_000);
    expect(standstill.hasStood(end(0))).toBe(true);
  });

  it('counts as moving while it is paused, at each look', () => {
    lanes.paused.add(0);
    expect(standstill.hasStood(end(0))).toBe(true);
    expect(look(0, 5_000, 10_000, 15_000)).toEqual([1]);
    expect(standstill.moves).toBe(4);
  });
});

describe('A lane that waits for another one', () => {
  beforeEach(() => void lanes.waiting.add(0));

  it('counts as moving as long as the other one moves', () => {
    for (const [offset, ms] of [0, 5_000, 10_000, 15_000, 20_000].entries()) {
      lanes.offsets.set(1, offset);
      expect(look(ms)).toEqual([]);
    }
  });

  it('stands still after 10 s more if the other one stands still', () => {
    expect(look(0, 5_000, 10_000, 15_000)).toEqual([1]);
    expect(look(20_000, 20_001)).toEqual([0, 1]);
  });

  it('is looked at once in each look, and so is the other one', () => {
    look(0);
    expect(lanes.lookedAt.toSorted()).toEqual([0, 1]);
  });

  it('asks where the partitions end once it has waited for 5 s, and only once', async () => {
    look(10_000, 15_000);
    expect(lanes.asked).toHaveLength(0);
    look(15_001, 15_002);
    expect(lanes.asked).toHaveLength(1);
    expect(lanes.bounds.every((ends) => ends === ENDS)).toBe(true);
    const later = [end(1)];
    lanes.asked[0]?.resolve(later);
    await lanes.asked[0]?.promise;
    look(15_003);
    expect(lanes.bounds.at(-1)).toBe(later);
    expect(lanes.asked).toHaveLength(1);
  });

  it('asks again after an error', async () => {
    look(0, 5_000, 5_001);
    lanes.asked[0]?.reject(new Error('no leader'));
    await lanes.asked[0]?.promise.catch(() => {});
    look(5_002);
    expect(lanes.asked).toHaveLength(2);
    expect(lanes.bounds.at(-1)).toBe(ENDS);
  });
});
