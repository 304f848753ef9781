import type { DiagLogger } from '@opentelemetry/api';
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace';
import type { Logger } from 'pino';

type OnResult = Parameters<SpanExporter['export']>[1];

/**
 * Exports spans, and logs when the collector goes away and when it is back: one line each, however
 * many exports fail in between. Spans that could not be exported are lost.
 */
export class WatchedExporter implements SpanExporter {
  readonly #exporter: SpanExporter;
  readonly #url: string;
  readonly #log: Logger;
  #lostSpans = 0;

  constructor(exporter: SpanExporter, url: string, log: Logger) {
    this.#exporter = exporter;
    this.#url = url;
    this.#log = log;
  }

  export(spans: ReadableSpan[], onResult: OnResult): void {
    this.#exporter.export(spans, (result) => {
      if (result.error) this.#noteLost(spans.length, result.error);
      else this.#noteExported();
      onResult(result);
    });
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown();
  }

  #noteLost(spans: number, error: Error & { readonly code?: unknown }): void {
    const isFirst = this.#lostSpans === 0;
    this.#lostSpans += spans;
    if (!isFirst) return;
    const { code = '', message } = error;
    const cause = message.includes(String(code)) ? message : `${code} ${message}`;
    this.#log.warn(
      { url: this.#url },
      `Traces do not reach ${this.#url} (${cause}). The service works on, and drops spans until ` +
        'they do: check the collector and OTEL_EXPORTER_OTLP_ENDPOINT',
    );
  }

  #noteExported(): void {
    if (this.#lostSpans === 0) return;
    this.#log.info(
      { url: this.#url, lostSpans: this.#lostSpans },
      `Traces reach ${this.#url} again; ${this.#lostSpans} spans are lost`,
    );
    this.#lostSpans = 0;
  }
}

/**
 * Listens to the SDK, and logs once that spans come faster than they can be exported.
 * `WatchedExporter` logs the exporter's own errors.
 */
export class DroppedSpans implements DiagLogger {
  readonly #log: Logger;
  #isKnown = false;

  constructor(log: Logger) {
    this.#log = log;
  }

  warn(message: string): void {
    if (this.#isKnown || !/^Dropped \d+ spans/.test(message)) return;
    this.#isKnown = true;
    this.#log.warn(
      `Spans come faster than they can be exported, so some are lost (${message}). Sample fewer ` +
        'traces: OTEL_TRACES_SAMPLER=parentbased_traceidratio with a lower OTEL_TRACES_SAMPLER_ARG',
    );
  }

  error(): void {}
  info(): void {}
  debug(): void {}
  verbose(): void {}
}
