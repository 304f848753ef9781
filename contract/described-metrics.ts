import { brokerErrors } from '../src/adapters/broker/kafka/error-counts.ts';
import { databaseErrors } from '../src/adapters/database/error-counts.ts';
import type { ListedMetric } from '../src/entrypoints/metrics/book.ts';
import { type MetricSources, Metrics } from '../src/entrypoints/metrics/metrics.ts';

/** A service that has nothing and does nothing. */
export const NO_SOURCES: MetricSources = {
  lanes: () => [],
  givenBackPartitions: () => 0,
  relayQueues: () => [],
  awaitedPartitions: () => [],
  backlog: () => Promise.reject(new Error('There is no database')),
  parkedCommandsLimit: 0,
  openLetters: () => null,
  problems: () => [],
  eventStreams: () => 0,
  databaseErrors,
  brokerErrors,
  certificates: [],
};

/** Lists the metrics of the service, for docs/metrics.md. */
export function describedMetrics(): readonly ListedMetric[] {
  const metrics = new Metrics();
  metrics.watch(NO_SOURCES);
  return metrics.book.listed;
}
