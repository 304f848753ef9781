import { FailoverError, FencedError } from '../../service-layer/errors.ts';
import { causeOf, REOPENING_CAUSES } from '../reopening.ts';
import type { MetricBook } from './book.ts';

/** Counts what happens to lanes, and to the membership of the process in its group. */
export class LaneMetrics {
  readonly #reopenings;
  readonly #failedOpenings;
  readonly #fencings;
  readonly #rebalances;
  readonly #orderWaits;
  readonly #orderWaitSeconds;

  constructor(book: MetricBook) {
    this.#reopenings = book.counter({
      name: 'allocation_lane_reopenings_total',
      help: 'Lanes that worked, stopped and open anew, by the cause',
      labels: { cause: REOPENING_CAUSES },
    });
    this.#failedOpenings = book.counter({
      name: 'allocation_lane_failed_openings_total',
      help: 'Attempts to open a lane that failed, by the cause',
      labels: { cause: REOPENING_CAUSES },
    });
    this.#fencings = book.counter({
      name: 'allocation_fencings_total',
      help:
        'Times that another process had taken over a lane, or the name of this process in the ' +
        'group',
    });
    this.#rebalances = book.counter({
      name: 'allocation_rebalances_total',
      help: 'Assignments of partitions that the group gave this process; 0 without Kafka',
    });
    this.#orderWaits = book.counter({
      name: 'allocation_order_waits_total',
      help:
        'Waits for other lanes before a command was rejected as unknown: the others decided ' +
        '(decided), or stood still and were given up (ran-out)',
      labels: { outcome: ['decided', 'ran-out'] },
    });
    this.#orderWaitSeconds = book.histogram({
      name: 'allocation_order_wait_seconds',
      help: 'How long these waits lasted, or how long until they gave a lane up',
      buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60, 300],
    });
  }

  /** Counts that a lane stopped, or failed to open. @param hasWorked whether it worked until now */
  countStop(error: unknown, hasWorked: boolean): void {
    (hasWorked ? this.#reopenings : this.#failedOpenings).inc({ cause: causeOf(error) });
    if (error instanceof FencedError && !(error instanceof FailoverError)) this.countFencing();
  }

  countFencing(): void {
    this.#fencings.inc();
  }

  countRebalance(): void {
    this.#rebalances.inc();
  }

  /**
   * Counts a lane's wait for others.
   * @param outcome `ran-out`: the lane gave up one that stood still
   */
  countWait(outcome: 'decided' | 'ran-out', seconds: number): void {
    this.#orderWaits.inc({ outcome });
    this.#orderWaitSeconds.observe(seconds);
  }
}
