import { NO_SOURCES } from '../../contract/described-metrics.ts';
import { type MetricSources, Metrics } from '../../src/entrypoints/metrics/metrics.ts';

/** Makes metrics of a service that has only these sources. */
export function metricsOf(sources: Partial<MetricSources> = {}): Metrics {
  const metrics = new Metrics();
  metrics.watch({ ...NO_SOURCES, ...sources });
  return metrics;
}

/** Scrapes the series whose names begin with this, such as `allocation_lanes{`. */
export async function scrape(metrics: Metrics, beginning = ''): Promise<readonly string[]> {
  return seriesIn((await metrics.write(undefined)).text, beginning);
}

/** Returns the series of an exposition whose lines begin with this. */
export function seriesIn(text: string, beginning: string): readonly string[] {
  return text.split('\n').filter((line) => line.startsWith(beginning) && !line.startsWith('#'));
}
