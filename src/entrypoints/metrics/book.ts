import { Counter, Gauge, Histogram, type OpenMetricsContentType, Registry } from 'prom-client';

/** All values of a label, or in words where its values come from. */
export type LabelValues = readonly string[] | string;

/** What a metric is, for its page and for Prometheus. */
export interface Definition {
  readonly name: string;
  readonly help: string;
  /** The values of each label. No value comes from a sender, because there must be few. */
  readonly labels?: Readonly<Record<string, LabelValues>>;
}

interface HistogramDefinition extends Definition {
  readonly buckets: readonly number[];
  /** Whether an observation may name a trace, as `exemplarOf` makes it. */
  readonly hasExemplars?: boolean;
}

export interface ListedMetric extends Definition {
  readonly type: 'counter' | 'gauge' | 'histogram';
}

/** One number of a metric. */
export interface Sample {
  readonly labels?: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** Makes the metrics of the service, and lists them for `docs/metrics.md`. */
export class MetricBook {
  /** prom-client keeps exemplars only for this format. `exposition.ts` writes both formats. */
  readonly registry = new Registry<OpenMetricsContentType>();
  readonly #listed: ListedMetric[] = [];

  constructor() {
    this.registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  }

  get listed(): readonly ListedMetric[] {
    return this.#listed;
  }

  /** Makes a counter. All its series exist from the start, so that a first increase shows. */
  counter(definition: Definition): Counter {
    const counter = new Counter(this.#list('counter', definition));
    for (const labels of seriesOf(definition)) counter.inc(labels, 0);
    return counter;
  }

  /**
   * Makes a counter whose numbers are counted elsewhere.
   * @param read called at each scrape; it must not wait
   */
  counted(definition: Definition, read: () => Iterable<Sample>): void {
    const counter: Counter = new Counter({
      ...this.#list('counter', definition),
      collect() {
        counter.reset();
        for (const labels of seriesOf(definition)) counter.inc(labels, 0);
        for (const { labels = {}, value } of read()) counter.inc(labels, value);
      },
    });
  }

  /**
   * Makes a gauge.
   * @param read called at each scrape; it must not wait. What is not known has no sample.
   */
  gauge(definition: Definition, read: () => Iterable<Sample>): void {
    const gauge: Gauge = new Gauge({
      ...this.#list('gauge', definition),
      collect() {
        gauge.reset();
        // Without labels, `reset` makes a sample of 0.
        if (definition.labels === undefined) gauge.remove({});
        for (const { labels = {}, value } of read()) gauge.set(labels, value);
      },
    });
  }

  histogram({ buckets, hasExemplars = false, ...definition }: HistogramDefinition): Histogram {
    return new Histogram({
      ...this.#list('histogram', definition),
      buckets: [...buckets],
      enableExemplars: hasExemplars,
    });
  }

  #list(type: ListedMetric['type'], definition: Definition) {
    const { name, help, labels = {} } = definition;
    this.#listed.push({ type, ...definition });
    return { name, help, labelNames: Object.keys(labels), registers: [this.registry] };
  }
}

/** Lists the label sets of a metric whose labels are closed sets. Empty: a label is open. */
function seriesOf({ labels = {} }: Definition): readonly Readonly<Record<string, string>>[] {
  return Object.entries(labels).reduce<readonly Readonly<Record<string, string>>[]>(
    (series, [name, values]) =>
      typeof values === 'string'
        ? []
        : series.flatMap((each) => values.map((value) => ({ ...each, [name]: value }))),
    [{}],
  );
}

/** Says which values the label `partition` has. */
export const PARTITION = 'a partition of the commands topic';
