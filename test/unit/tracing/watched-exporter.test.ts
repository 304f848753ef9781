import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace';
import pino from 'pino';
import { describe, expect, it } from 'vitest';
import { DroppedSpans, WatchedExporter } from '../../../src/tracing/watched-exporter.ts';

const URL = 'http://collector.test:4318/v1/traces';
const spans = Array.from({ length: 3 }, () => ({}) as ReadableSpan);

function logTo(lines: { readonly level: number; readonly msg: string }[]) {
  return pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });
}

/** An exporter that fails while there are errors left. */
function exporterWith(errors: Error[]): SpanExporter {
  return {
    export: (_spans, onResult) => {
      const error = errors.shift();
      onResult(error ? { code: 1, error } : { code: 0 });
    },
    shutdown: async () => {},
  };
}

describe('A collector that is away', () => {
  it('is logged once, and once more when it is back', () => {
    const lines: { readonly level: number; readonly msg: string }[] = [];
    const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    const exporter = new WatchedExporter(exporterWith([refused, refused]), URL, logTo(lines));
    const codes: number[] = [];
    for (let round = 0; round < 4; round += 1)
      exporter.export(spans, ({ code }) => codes.push(code));
    expect(codes).toEqual([1, 1, 0, 0]);
    expect(lines.map(({ msg }) => msg)).toEqual([
      `Traces do not reach ${URL} (connect ECONNREFUSED). The service works on, and ` +
        'drops spans until they do: check the collector and OTEL_EXPORTER_OTLP_ENDPOINT',
      `Traces reach ${URL} again; 6 spans are lost`,
    ]);
  });
});

describe('Spans that come faster than they can be exported', () => {
  it('are logged once', () => {
    const lines: { readonly level: number; readonly msg: string }[] = [];
    const dropped = new DroppedSpans(logTo(lines));
    dropped.warn('Something else');
    dropped.warn('Dropped 5 spans because maxQueueSize reached');
    dropped.warn('Dropped 9 spans because maxQueueSize reached');
    expect(lines).toHaveLength(1);
    expect(lines[0]?.msg).toContain('OTEL_TRACES_SAMPLER_ARG');
  });
});
