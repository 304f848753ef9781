import { z } from 'zod';
import { ConfigError } from './config-error.ts';

const ROOTS = ['always_on', 'always_off', 'traceidratio'] as const;
const SAMPLERS = [...ROOTS, ...ROOTS.map((root) => `parentbased_${root}` as const)] as const;

const collector = z
  .string()
  .refine(
    isCollectorUrl,
    'must be an http or https URL without user and query: secrets go to OTEL_EXPORTER_OTLP_HEADERS',
  );

/**
 * The settings of the traces, with the names and the meaning of OpenTelemetry's specification. The
 * exporter itself reads OTEL_EXPORTER_OTLP_… for time-outs, compression and certificates.
 */
export const tracingSettings = {
  OTEL_EXPORTER_OTLP_ENDPOINT: collector.optional(),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: collector.optional(),
  OTEL_EXPORTER_OTLP_HEADERS: z.string().optional(),
  OTEL_EXPORTER_OTLP_TRACES_HEADERS: z.string().optional(),
  OTEL_SERVICE_NAME: z.string().optional(),
  OTEL_RESOURCE_ATTRIBUTES: z.string().optional(),
  OTEL_TRACES_SAMPLER: z
    .enum(SAMPLERS, `must be one of ${SAMPLERS.join(', ')}`)
    .default('parentbased_always_on'),
  OTEL_TRACES_SAMPLER_ARG: z
    .string()
    .regex(/^(0|1|[01]?\.\d+)$/, 'must be a number from 0 to 1')
    .transform(Number)
    .pipe(z.number().max(1, 'must be a number from 0 to 1'))
    .default(1),
};

type Values = z.infer<z.ZodObject<typeof tracingSettings>>;

/** Which traces are exported. */
export interface SamplerSettings {
  /** Decides about new traces. */
  readonly root: (typeof ROOTS)[number];
  /** Whether the service follows the sender's decision about a trace that the sender has begun. */
  readonly isParentBased: boolean;
  /** The share of the traces that `traceidratio` exports, from 0 to 1. */
  readonly ratio: number;
}

/** Where the traces go, and what they say of the service. */
export interface TracingSettings {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly resourceAttributes: Readonly<Record<string, string>>;
  readonly sampler: SamplerSettings;
}

/**
 * Returns the settings of the traces; null: no endpoint is set, so nobody wants traces.
 *
 * @throws {ConfigError} a list of headers or attributes is not valid
 */
export function tracingOf(values: Values): TracingSettings | null {
  const {
    OTEL_EXPORTER_OTLP_ENDPOINT: base,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: url = base && tracesUrlOf(base),
    OTEL_SERVICE_NAME: name,
    OTEL_TRACES_SAMPLER: sampler,
  } = values;
  if (url === undefined) return null;
  const root = sampler.replace(/^parentbased_/, '') as SamplerSettings['root'];
  return Object.freeze({
    url,
    headers: Object.freeze({
      ...pairsIn(values, 'OTEL_EXPORTER_OTLP_HEADERS'),
      ...pairsIn(values, 'OTEL_EXPORTER_OTLP_TRACES_HEADERS'),
    }),
    resourceAttributes: Object.freeze({
      'service.name': 'allocation',
      ...pairsIn(values, 'OTEL_RESOURCE_ATTRIBUTES'),
      ...(name !== undefined && { 'service.name': name }),
    }),
    sampler: Object.freeze({
      root,
      isParentBased: root !== sampler,
      ratio: values.OTEL_TRACES_SAMPLER_ARG,
    }),
  });
}

/** Returns where a collector takes traces (OTLP specification, endpoint URLs for OTLP/HTTP). */
function tracesUrlOf(base: string): string {
  return new URL('v1/traces', base.endsWith('/') ? base : `${base}/`).href;
}

/** Reads a list `name=value,…`, whose names and values are percent-encoded. */
function pairsIn(values: Values, variable: keyof Values): Readonly<Record<string, string>> {
  const items = String(values[variable] ?? '').split(',');
  const pairs = items.filter((item) => item.trim() !== '').map(pairIn);
  if (!pairs.every((pair) => pair !== null))
    throw new ConfigError(
      `${variable} is not valid: must be name=value, several separated by commas, ` +
        'percent-encoded, without control characters',
    );
  return Object.fromEntries(pairs);
}

function pairIn(item: string): readonly [string, string] | null {
  const at = item.indexOf('=');
  try {
    const name = decodeURIComponent(item.slice(0, at).trim());
    const value = decodeURIComponent(item.slice(at + 1).trim());
    return at < 1 || name === '' || /\p{Cc}/u.test(name + value) ? null : [name, value];
  } catch {
    return null;
  }
}

function isCollectorUrl(text: string): boolean {
  const url = URL.parse(text);
  const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:';
  return isHttp && url.username + url.password + url.search + url.hash === '';
}
