import { metricsOf } from './metrics.ts';

/**
 * Lists the series that the service exports, by name, with their labels. The metrics of Node and of
 * the process have none.
 */
export function exportedSeries(): ReadonlyMap<string, readonly string[]> {
  const { book } = metricsOf();
  const series = new Map<string, readonly string[]>(
    book.registry.getMetricsAsArray().map(({ name }) => [name, []]),
  );
  for (const { name, type, labels = {} } of book.listed) {
    const own = Object.keys(labels);
    series.set(name, own);
    if (type !== 'histogram') continue;
    series.set(`${name}_count`, own).set(`${name}_sum`, own);
    series.set(`${name}_bucket`, [...own, 'le']);
  }
  return series;
}

/** What Prometheus itself adds: to each series, and as series of its own. */
const OF_PROMETHEUS = ['job', 'instance'];
const SERIES_OF_PROMETHEUS = ['up', 'ALERTS'];

const NAME = /\b(?:allocation|process|nodejs)_\w+|\b(?:up|ALERTS)\b/g;
const SELECTOR = /\b([a-zA-Z_]\w*)\{([^}]*)\}/g;

/** Finds what PromQL names and the service does not export: series, and labels of its series. */
export function unknownSeries(promql: string): readonly string[] {
  const exported = exportedSeries();
  const names = promql.replaceAll(/"[^"]*"/g, '""').match(NAME) ?? [];
  const unknown = names.filter(
    (name) => !exported.has(name) && !SERIES_OF_PROMETHEUS.includes(name),
  );
  const selectors = [...promql.matchAll(SELECTOR)];
  const labels = selectors.flatMap(([, name = '', matchers = '']) =>
    [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)]
      .map(([, label = '']) => label)
      .filter((label) => !OF_PROMETHEUS.includes(label))
      .filter((label) => exported.has(name) && !exported.get(name)?.includes(label))
      .map((label) => `${name}{${label}}`),
  );
  return [...unknown, ...labels];
}
