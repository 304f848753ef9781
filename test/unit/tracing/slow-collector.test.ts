import pino from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { startSdk } from '../../../src/tracing/sdk.ts';
import { eventually } from '../../support/eventually.ts';
import { OtlpReceiver } from '../../support/otlp-receiver.ts';

/** More than the service keeps in memory. */
const MANY_SPANS = 6_000;
/** The queue of the service, and the export under way. */
const KEPT_SPANS = 4_096 + 512;
const withinMs = 60_000;

describe('A collector that is slow', () => {
  let collector: OtlpReceiver;
  let lines: { readonly msg: string }[];
  let tracing: ReturnType<typeof startSdk>;
  let answer: () => void;

  beforeEach(async () => {
    // The exporter reads this variable itself. It must wait for the answer, and repeat nothing.
    vi.stubEnv('OTEL_EXPORTER_OTLP_TIMEOUT', '120000');
    collector = await OtlpReceiver.open();
    const held = Promise.withResolvers<void>();
    answer = held.resolve;
    collector.mayAnswer = held.promise;
    lines = [];
    const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });
    const sampler = { root: 'always_on', isParentBased: true, ratio: 1 } as const;
    const url = `${collector.url}/v1/traces`;
    tracing = startSdk({ url, headers: {}, resourceAttributes: {}, sampler }, log);
  });
  afterEach(async () => {
    answer();
    await tracing.stop();
    await collector[Symbol.asyncDispose]();
    vi.unstubAllEnvs();
  });

  function endSpans(count: number): void {
    for (let n = 0; n < count; n += 1) tracing.tracer.startSpan(`span ${n}`).end();
  }

  it('gets one request at a time, and the service keeps few spans for it', async () => {
    endSpans(MANY_SPANS);
    await eventually(() => expect(collector.requests).toHaveLength(1), { withinMs });
    endSpans(MANY_SPANS);
    expect(collector.answeredCount).toBe(0);
    answer();
    await eventually(() => expect(collector.spans).toHaveLength(KEPT_SPANS), { withinMs });
    expect(collector.mostWaiting).toBe(1);
  });

  it('is logged once, with what an operator can do', async () => {
    endSpans(MANY_SPANS);
    answer();
    await eventually(() => expect(collector.spans).toHaveLength(KEPT_SPANS), { withinMs });
    endSpans(1);
    endSpans(MANY_SPANS);
    const warnings = lines.filter(({ msg }) => msg.includes('faster than they can be exported'));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]?.msg).toContain('OTEL_TRACES_SAMPLER_ARG');
  });
});
