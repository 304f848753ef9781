import { describe, expect, it } from 'vitest';
import type { LaneReport } from '../../../../src/entrypoints/lane-report.ts';
import { FailoverError, FencedError, TroubleError } from '../../../../src/service-layer/errors.ts';
import { metricsOf, scrape } from '../../../support/metrics.ts';

const lane = (partition: number, more: Partial<LaneReport> = {}): LaneReport => ({
  partition,
  state: 'working',
  problem: null,
  position: 7,
  committedOffset: 5,
  endOffset: 9,
  lagMessages: 2,
  lagSeconds: 0.5,
  lastReopening: null,
  decidedCount: 0,
  pause: null,
  ...more,
});
const unknown = {
  position: null,
  committedOffset: null,
  endOffset: null,
  lagMessages: null,
  lagSeconds: null,
};

describe('The lanes of a process', () => {
  it('are counted by their states, refused ones with those that were given back', async () => {
    const metrics = metricsOf({
      lanes: () => [lane(0), lane(1, { state: 'stuck' }), lane(2, { state: 'refused' })],
      givenBackPartitions: () => 3,
    });
    expect(await scrape(metrics, 'allocation_lanes{')).toEqual([
      'allocation_lanes{state="refused"} 4',
      'allocation_lanes{state="paused"} 0',
      'allocation_lanes{state="stuck"} 1',
      'allocation_lanes{state="opening"} 0',
      'allocation_lanes{state="working"} 1',
    ]);
  });

  it('show only their present state', async () => {
    let state: LaneReport['state'] = 'opening';
    const metrics = metricsOf({ lanes: () => [lane(4, { state })] });
    await scrape(metrics);
    state = 'paused';
    expect(await scrape(metrics, 'allocation_lane_state')).toEqual([
      'allocation_lane_state{partition="4",state="paused"} 1',
    ]);
  });

  it('show where they stand and how far behind they are, and nothing that is unknown', async () => {
    const metrics = metricsOf({ lanes: () => [lane(0), lane(1, unknown)] });
    expect(await scrape(metrics, 'allocation_lag_')).toEqual([
      'allocation_lag_messages{partition="0"} 2',
      'allocation_lag_seconds{partition="0"} 0.5',
    ]);
    expect(await scrape(metrics, 'allocation_lane_position_offset')).toEqual([
      'allocation_lane_position_offset{partition="0"} 7',
    ]);
    expect(await scrape(metrics, 'allocation_lane_committed_offset')).toEqual([
      'allocation_lane_committed_offset{partition="0"} 5',
    ]);
  });

  it('show what waits for its publication, and since when', async () => {
    const sinceMs = Date.now() - 60_000;
    const metrics = metricsOf({
      relayQueues: () => [
        { partition: 0, queuedRecords: 12, oldestMs: sinceMs },
        { partition: 1, queuedRecords: 0, oldestMs: null },
      ],
    });
    expect(await scrape(metrics, 'allocation_relay_queue_records')).toEqual([
      'allocation_relay_queue_records{partition="0"} 12',
      'allocation_relay_queue_records{partition="1"} 0',
    ]);
    expect(await scrape(metrics, 'allocation_outbox_oldest_seconds')).toEqual([
      expect.stringMatching(/^allocation_outbox_oldest_seconds\{partition="0"\} 6\d/),
      'allocation_outbox_oldest_seconds{partition="1"} 0',
    ]);
  });

  it('show for which lanes they wait', async () => {
    const metrics = metricsOf({ awaitedPartitions: () => [[2], [], [2, 3]] });
    expect(await scrape(metrics, 'allocation_order_waiting_lanes')).toEqual([
      'allocation_order_waiting_lanes{for="2"} 2',
      'allocation_order_waiting_lanes{for="3"} 1',
    ]);
  });
});

describe('A lane that stops', () => {
  it('is counted by the cause, apart from openings that fail', async () => {
    const { lanes, ...metrics } = metricsOf();
    lanes.countStop(new TroubleError('Kafka is gone'), true);
    lanes.countStop(new TroubleError('Kafka is gone'), false);
    lanes.countStop(new Error('a bug'), false);
    const text = (await metrics.book.registry.metrics()).split('\n');
    expect(text.filter((line) => /^allocation_lane_\w+total.* [1-9]$/.test(line))).toEqual([
      'allocation_lane_reopenings_total{cause="broker"} 1',
      'allocation_lane_failed_openings_total{cause="broker"} 1',
      'allocation_lane_failed_openings_total{cause="other"} 1',
    ]);
  });

  it('counts as fenced when another process has taken over, and not after a failover', async () => {
    const metrics = metricsOf();
    metrics.lanes.countStop(new FencedError('another owner'), true);
    metrics.lanes.countStop(new FailoverError('another server', 'timeline'), true);
    expect(await scrape(metrics, 'allocation_fencings_total')).toEqual([
      'allocation_fencings_total 1',
    ]);
  });
});
