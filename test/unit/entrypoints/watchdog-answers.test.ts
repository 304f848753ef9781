import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LaneReports } from '../../../src/entrypoints/lane-report.ts';
import type { ObservedLane } from '../../../src/entrypoints/lane-watch.ts';
import { joinPatterns } from '../../support/join-patterns.ts';
import { WatchdogRun } from '../../support/watchdog-run.ts';

describe('The watchdog', () => {
  let run: WatchdogRun;

  beforeEach(() => {
    run = new WatchdogRun();
  });

  afterEach(() => run.close());

  /** Adds up how many offsets the lanes have still to decide, as far as that is known. */
  const lag = () =>
    new LaneReports(() => run.lanes as unknown as ObservedLane[], run.watchdog)
      .now()
      .reduce((sum, { lagMessages }) => sum + (lagMessages ?? 0), 0);

  it('knows how many offsets its lanes have still to answer', async () => {
    expect(lag()).toBe(0);
    run.ends = [9, 17];
    await run.pass(5);
    run.change(0, { nextOffset: 6 });
    expect(lag()).toBe(3 + 10);
    run.change(1, { nextOffset: null });
    expect(lag()).toBe(3);
    run.change(0, { nextOffset: 12 });
    expect(lag()).toBe(0);
  });

  it('counts no offset as unanswered that retention has deleted', async () => {
    run.offsetRanges = async () => [{ partition: 0, beginning: 8, end: 9 }];
    await run.pass(5);
    expect(lag()).toBe(1);
  });

  it('reports a lane whose answers wait for 30 s, and what they wait for', async () => {
    const publishing = { nextOffset: 9, awaitedPartitions: [1, 2] };
    run.change(0, { publishing });
    await run.pass(30);
    expect(run.watchdog.stuckPartitions.size).toBe(0);
    await run.pass(10);
    const sentence = expect.stringMatching(
      joinPatterns(
        /^Partition 0 is stuck: its answers to commands below offset 9 have waited for 3\d s /,
        /\(for answers of partitions 1, 2\)$/,
      ),
    );
    expect([run.watchdog.stuckPartitions.size, run.watchdog.problems(), run.log]).toEqual([
      1,
      [sentence],
      [sentence],
    ]);
  });

  it('names Kafka for answers that wait for no other partition', async () => {
    run.change(0, { publishing: { nextOffset: 9, awaitedPartitions: [] } });
    await run.pass(40);
    expect(run.watchdog.problems()).toEqual([expect.stringMatching(/\(for Kafka\)$/)]);
  });

  it('does not report a lane whose answers go out one after the other', async () => {
    for (let nextOffset = 9; nextOffset < 13; nextOffset += 1) {
      run.change(0, { publishing: { nextOffset, awaitedPartitions: [1] } });
      await run.pass(20);
    }
    expect([run.watchdog.stuckPartitions.size, run.log]).toEqual([0, []]);
  });

  it('reports once that a stuck lane publishes again', async () => {
    run.change(0, { publishing: { nextOffset: 9, awaitedPartitions: [1] } });
    await run.pass(40);
    run.change(0, { publishing: null });
    expect(run.watchdog.stuckPartitions.size).toBe(0);
    await run.pass(60);
    expect(run.log.slice(1)).toEqual(['Partition 0 publishes again']);
  });
});
