import {
  type Metric,
  type OpenMetricsContentType,
  Registry,
  type RegistryContentType,
} from 'prom-client';

interface Exposition {
  readonly contentType: RegistryContentType;
  readonly text: string;
}

/**
 * Writes the metrics in the text format of Prometheus. If the scraper prefers OpenMetrics, writes
 * them in that format, with exemplars.
 * @param accept the header of the request
 */
export async function exposition(
  registry: Registry<OpenMetricsContentType>,
  accept: string | undefined,
): Promise<Exposition> {
  const ofScrape = new Registry<RegistryContentType>();
  ofScrape.setContentType(
    prefersOpenMetrics(accept ?? '')
      ? Registry.OPENMETRICS_CONTENT_TYPE
      : Registry.PROMETHEUS_CONTENT_TYPE,
  );
  // prom-client takes `_total` from the names of counters while it writes OpenMetrics, and never
  // puts it back. So each scrape writes copies, which inherit everything from the metrics.
  for (const metric of registry.getMetricsAsArray())
    ofScrape.registerMetric(Object.create(metric) as Metric);
  return { contentType: ofScrape.contentType, text: await ofScrape.metrics() };
}

const OPEN_METRICS = /^application\/openmetrics-text(?!.*;\s*version=(?!1\.0\.0))/;
const PLAIN = /^text\/plain(?!.*;\s*version=(?!0\.0\.4))/;

function prefersOpenMetrics(accept: string): boolean {
  const ranges = accept.split(',').map((range) => range.trim().toLowerCase());
  const weight = (type: RegExp) =>
    Math.max(0, ...ranges.filter((range) => type.test(range)).map(weightOf));
  return weight(OPEN_METRICS) > 0 && weight(OPEN_METRICS) >= weight(PLAIN);
}

/** Returns the weight of a media range (RFC 9110, section 12.4.2). */
function weightOf(range: string): number {
  return Number(/;\s*q=([\d.]+)/.exec(range)?.[1] ?? 1);
}
