import type { Recovery } from '../../service-layer/recoverability.ts';
import type { MetricBook } from './book.ts';
import { exemplarOf } from './exemplars.ts';

/**
 * The steps of a transaction, in their order. `wait`: for other lanes with the same products.
 * `begin`: for a connection. `commit`: also writes the outbox and the position.
 */
const STEPS = ['read', 'wait', 'begin', 'handle', 'commit'] as const;
export type Step = (typeof STEPS)[number];

const RETRIES = ['retry', 'isolate', 'halve'] as const satisfies readonly Recovery['action'][];

/** Measures how long each step of one transaction takes. */
export class StepTimes {
  readonly beganMs = performance.now();
  #endedMs = this.beganMs;
  readonly ms: Record<Step, number> = { read: 0, wait: 0, begin: 0, handle: 0, commit: 0 };

  /** Notes that the step has ended. The next step begins. */
  end(step: Step): void {
    const nowMs = performance.now();
    // A transaction that the database has undone runs its steps again.
    this.ms[step] += nowMs - this.#endedMs;
    this.#endedMs = nowMs;
  }

  get totalMs(): number {
    return this.#endedMs - this.beganMs;
  }
}

/** Measures the transactions of the lanes. */
export class TransactionMetrics {
  readonly #seconds;
  readonly #stepSeconds;
  readonly #retries;

  constructor(book: MetricBook) {
    this.#seconds = book.histogram({
      name: 'allocation_transaction_duration_seconds',
      help: 'Time to read, handle and commit the commands of one transaction',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
      hasExemplars: true,
    });
    this.#stepSeconds = book.histogram({
      name: 'allocation_transaction_step_duration_seconds',
      help:
        'Time of each step of such a transaction. wait: for lanes with the same products; begin: ' +
        'for a connection; handle: load, decide, encode; commit: write the answers and commit',
      labels: { step: STEPS },
      buckets: [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
    });
    this.#retries = book.counter({
      name: 'allocation_handler_retries_total',
      help:
        'Failed attempts to answer a delivery, by what follows: the same command again (retry), ' +
        'one command at a time (isolate), or half of the commands (halve)',
      labels: { action: RETRIES },
    });
  }

  /** Notes a committed transaction. @param traceId of one of its commands */
  observe(times: StepTimes, traceId: string | undefined): void {
    const exemplarLabels = exemplarOf(traceId);
    this.#seconds.observe({ labels: {}, value: times.totalMs / 1_000, exemplarLabels });
    for (const step of STEPS) this.#stepSeconds.observe({ step }, times.ms[step] / 1_000);
  }

  /** Counts a failed attempt to answer a delivery. */
  countFailure(action: Recovery['action']): void {
    if (RETRIES.some((each) => each === action)) this.#retries.inc({ action });
  }
}
