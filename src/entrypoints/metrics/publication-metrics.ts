import type { MetricBook } from './book.ts';

/** Measures how the relays publish answers. */
export class PublicationMetrics {
  readonly #seconds;
  readonly #records;
  readonly #failures;

  constructor(book: MetricBook) {
    this.#seconds = book.histogram({
      name: 'allocation_publication_duration_seconds',
      help: 'Time of one transaction of the broker that publishes answers',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 10],
    });
    this.#records = book.counter({
      name: 'allocation_published_records_total',
      help: 'Answers that were published: events, composites and dead letters',
    });
    this.#failures = book.counter({
      name: 'allocation_publication_failures_total',
      help: 'Publications that failed. The lane opens anew, and finds out what became of them',
    });
  }

  /** Notes a publication that succeeded. */
  observe(records: number, ms: number): void {
    this.#seconds.observe(ms / 1_000);
    this.#records.inc(records);
  }

  countFailure(): void {
    this.#failures.inc();
  }
}
