import { type BacklogSources, exportBacklog } from './backlog-gauges.ts';
import { MetricBook } from './book.ts';
import { CommandMetrics } from './command-metrics.ts';
import { exposition } from './exposition.ts';
import { HttpMetrics } from './http-metrics.ts';
import { exportLanes, type LaneSources } from './lane-gauges.ts';
import { LaneMetrics } from './lane-metrics.ts';
import { exportOpenLetters, type LetterSources } from './open-letter-gauges.ts';
import { exportProcess, type ProcessSources } from './process-metrics.ts';
import { PublicationMetrics } from './publication-metrics.ts';
import { TransactionMetrics } from './transaction-metrics.ts';

/**
 * What the metrics ask at each scrape. Each function reads memory, and returns at once. Only
 * `backlog` may be slow, because no scrape waits for it.
 */
export interface MetricSources extends LaneSources, BacklogSources, LetterSources, ProcessSources {}

/**
 * The metrics of the service, for Prometheus. `docs/metrics.md` lists them.
 *
 * Lanes count once for each transaction or publication, with a method call. Everything else is read
 * at the scrape. No label has a value from a sender.
 */
export class Metrics {
  readonly book = new MetricBook();
  readonly commands = new CommandMetrics(this.book);
  readonly transactions = new TransactionMetrics(this.book);
  readonly publications = new PublicationMetrics(this.book);
  readonly lanes = new LaneMetrics(this.book);
  readonly http = new HttpMetrics(this.book);

  /** Exports what is read at each scrape, besides what is counted. Call this once. */
  watch(sources: MetricSources): void {
    exportLanes(this.book, sources);
    exportBacklog(this.book, sources);
    exportOpenLetters(this.book, sources);
    exportProcess(this.book, sources);
  }

  /** Writes all metrics in the format that the scraper prefers. @param accept its header */
  write(accept: string | undefined): ReturnType<typeof exposition> {
    return exposition(this.book.registry, accept);
  }
}
