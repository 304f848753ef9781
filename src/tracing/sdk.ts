import { setTimeout as sleep } from 'node:timers/promises';
import { DiagLogLevel, diag } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import type { Logger } from 'pino';
import { packageVersion } from '../package-version.ts';
import type { SamplerSettings, TracingSettings } from '../tracing-settings.ts';
import { ATTRIBUTES, SCHEMA_URL } from './semantic-conventions.ts';
import type { Tracing } from './tracing.ts';
import { DroppedSpans, WatchedExporter } from './watched-exporter.ts';

/**
 * How long a span waits until it is exported, with others. A crash loses the spans of this time.
 */
const EXPORT_DELAY_MS = 1_000;
/** The most spans in memory, a few MB. Further spans are dropped: nothing waits for a collector. */
const MAX_QUEUED_SPANS = 4_096;
/** The most messages that one span is linked to. The span says how many links it has dropped. */
const MAX_LINKS = 1_000;
/** How long a stop waits for the collector. */
const STOP_TIMEOUT_MS = 2_000;

/** Starts OpenTelemetry's SDK. Only this file, which is imported when tracing is on, loads it. */
export function startSdk(settings: TracingSettings, log: Logger): Omit<Tracing, 'messagingSystem'> {
  const { url, headers } = settings;
  const exporter = new WatchedExporter(new OTLPTraceExporter({ url, headers }), url, log);
  const processor = new BatchSpanProcessor({
    exporter,
    scheduledDelayMillis: EXPORT_DELAY_MS,
    maxQueueSize: MAX_QUEUED_SPANS,
  });
  const provider = new TracerProvider({
    resource: defaultResource().merge(resourceOf(settings)),
    sampler: samplerOf(settings.sampler),
    spanLimits: { linkCountLimit: MAX_LINKS },
    spanProcessors: [processor],
  });
  diag.setLogger(new DroppedSpans(log), { logLevel: DiagLogLevel.WARN });
  log.info({ url }, `Traces go to ${url}`);
  return {
    tracer: provider.getTracer('allocation', packageVersion(), { schemaUrl: SCHEMA_URL }),
    async stop() {
      const stopped = provider.shutdown().catch(() => {});
      await Promise.race([stopped, sleep(STOP_TIMEOUT_MS, undefined, { ref: false })]);
      diag.disable();
    },
  };
}

function resourceOf({ resourceAttributes }: TracingSettings) {
  return resourceFromAttributes({
    [ATTRIBUTES.serviceVersion]: packageVersion(),
    [ATTRIBUTES.serviceInstance]: crypto.randomUUID(),
    ...resourceAttributes,
  });
}

/** Makes the sampler that decides about a new trace, or follows the decision of the trace. */
export function samplerOf({ root, isParentBased, ratio }: SamplerSettings): Sampler {
  const samplers: Readonly<Record<SamplerSettings['root'], () => Sampler>> = {
    always_on: () => new AlwaysOnSampler(),
    always_off: () => new AlwaysOffSampler(),
    traceidratio: () => new TraceIdRatioBasedSampler(ratio),
  };
  const sampler = samplers[root]();
  return isParentBased ? new ParentBasedSampler({ root: sampler }) : sampler;
}
