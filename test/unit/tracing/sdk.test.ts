import { ROOT_CONTEXT, SamplingDecision, SpanKind } from '@opentelemetry/api';
import pino from 'pino';
import { describe, expect, it } from 'vitest';
import { samplerOf, startSdk } from '../../../src/tracing/sdk.ts';
import { startTracing } from '../../../src/tracing/start-tracing.ts';
import { childOf } from '../../../src/tracing/trace-context.ts';
import type { SamplerSettings } from '../../../src/tracing-settings.ts';
import { senderSpan } from '../../support/recorded-spans.ts';
import { SilentServer } from '../../support/silent-server.ts';

const silent = pino({ level: 'silent' });
/** How long a stop may take on a busy machine. */
const STOP_MS = 8_000;

it('Tracing is off without a collector', async () => {
  expect(await startTracing(null, 'kafka', silent)).toBeNull();
});

describe('The sampler', () => {
  const sampled = senderSpan('1');
  const unsampled = senderSpan('1', false);
  const isSampled = (settings: SamplerSettings, parent: typeof sampled | null) =>
    samplerOf(settings).shouldSample(
      parent ? childOf(parent) : ROOT_CONTEXT,
      'f'.repeat(31).concat('0'),
      'name',
      SpanKind.INTERNAL,
      {},
      [],
    ).decision === SamplingDecision.RECORD_AND_SAMPLED;

  it.each([
    { root: 'always_on', isParentBased: true, ratio: 1, expected: [true, true, false] },
    { root: 'always_off', isParentBased: true, ratio: 1, expected: [false, true, false] },
    { root: 'traceidratio', isParentBased: true, ratio: 1, expected: [true, true, false] },
    { root: 'traceidratio', isParentBased: true, ratio: 0, expected: [false, true, false] },
    { root: 'always_on', isParentBased: false, ratio: 1, expected: [true, true, true] },
    { root: 'always_off', isParentBased: false, ratio: 1, expected: [false, false, false] },
  ] as const)('$root, by parent: $isParentBased, $ratio', ({ expected, ...settings }) => {
    const parents = [null, sampled, unsampled];
    expect(parents.map((parent) => isSampled(settings, parent))).toEqual(expected);
  });
});

it('Tracing stops in bounded time, though the collector never answers', async () => {
  await using collector = await SilentServer.open();
  const tracing = startSdk(
    {
      url: `http://127.0.0.1:${collector.port}/v1/traces`,
      headers: {},
      resourceAttributes: {},
      sampler: { root: 'always_on', isParentBased: true, ratio: 1 },
    },
    silent,
  );
  tracing.tracer.startSpan('span').end();
  const beganMs = performance.now();
  await tracing.stop();
  expect(performance.now() - beganMs).toBeLessThan(STOP_MS);
  expect(collector.accepted).toBe(1);
});
