import { beforeEach, describe, expect, it } from 'vitest';
import type { WatchedLane } from '../../../src/entrypoints/lane-watch.ts';
import { PublishingWatch } from '../../../src/entrypoints/publishing-watch.ts';

const LANE: WatchedLane = {
  partition: 3,
  nextOffset: 20,
  readBelowOffset: 20,
  problem: null,
  awaited: null,
  publishing: { nextOffset: 9, awaitedPartitions: [] },
  pause: null,
};

describe('The answers of a lane', () => {
  let lanes: WatchedLane[];
  let watch: PublishingWatch;

  beforeEach(() => {
    lanes = [LANE];
    watch = new PublishingWatch(() => lanes);
  });
  const publish = (nextOffset: number, ...awaitedPartitions: readonly number[]) => {
    lanes = [{ ...LANE, publishing: { nextOffset, awaitedPartitions } }];
  };

  it('are stuck once they have waited for 30 s', () => {
    watch.look(1_000);
    expect(watch.stuck(30_999)).toEqual(new Map());
    expect(watch.stuck(31_000)).toEqual(
      new Map([
        [
          3,
          'Partition 3 is stuck: its answers to commands below offset 9 have waited for 30 s ' +
            '(for Kafka)',
        ],
      ]),
    );
  });

  it('wait for those of other lanes if there are any', () => {
    publish(9, 1, 2);
    watch.look(0);
    expect(watch.stuck(30_000).get(3)).toContain('(for answers of partitions 1, 2)');
  });

  it('wait since the first look that saw them', () => {
    watch.look(0);
    watch.look(20_000);
    expect(watch.stuck(30_000).size).toBe(1);
  });

  it('wait no longer once others are published', () => {
    watch.look(0);
    publish(10);
    expect(watch.stuck(30_000).size).toBe(0);
    watch.look(20_000);
    expect(watch.stuck(30_000).size).toBe(0);
    expect(watch.stuck(50_000).size).toBe(1);
  });

  it('wait no longer once all are published', () => {
    watch.look(0);
    lanes = [{ ...LANE, publishing: null }];
    expect(watch.stuck(30_000).size).toBe(0);
    watch.look(30_000);
    lanes = [LANE];
    expect(watch.stuck(30_000).size).toBe(0);
  });

  it('are not stuck before any look', () => {
    expect(watch.stuck(100_000).size).toBe(0);
  });

  it('wait anew after the process stood still', () => {
    watch.look(0);
    watch.forget();
    expect(watch.stuck(30_000).size).toBe(0);
  });
});
