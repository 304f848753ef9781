import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import Fastify from 'fastify';
import { describe, expect, it } from 'vitest';
import type { AddressedRecord } from '../../../src/service-layer/records.ts';
import {
  sendTraced,
  type TracedRecord,
  traceIdOfRequest,
  traceRequests,
} from '../../../src/tracing/request-traces.ts';
import { eventually } from '../../support/eventually.ts';
import { linksOf, RecordedSpans, senderSpan } from '../../support/recorded-spans.ts';

const [client, own] = [senderSpan('a'), senderSpan('b')];

/** A server whose route publishes the commands, with the header of the request in each record. */
function serverFor(spans: RecordedSpans, commands: readonly TracedRecord[]) {
  const server = Fastify();
  const published: AddressedRecord[] = [];
  traceRequests(server, spans.tracing);
  server.post('/commands', { config: { access: 'publish' } }, async (request) => {
    await sendTraced(spans.tracing, request, 'commands', commands, async (records) => {
      published.push(...records);
    });
    return { traceId: traceIdOfRequest(request) };
  });
  server.get('/broken', { config: { access: 'read' } }, (_request, reply) =>
    reply.code(503).send(),
  );
  server.get('/healthz', { config: { access: 'open' } }, () => 'alive');
  const post = (headers: Record<string, string> = {}) =>
    server.inject({ method: 'POST', url: '/commands?wait=5s', headers });
  return { server, published, post };
}

const command = (traceparent: string | null): TracedRecord => ({
  traceparent,
  record: { key: 'LAMP', value: 'value', headers: { 'content-type': 'application/json' } },
});

/** Waits for the span of the request, which ends when the connection has the whole answer. */
const ended = (spans: RecordedSpans, name: string) =>
  eventually(() => spans.named(name), { withinMs: 10_000 });

describe('A request', () => {
  it('continues the trace of its client, up to the record', async () => {
    const spans = new RecordedSpans();
    const { post, published } = serverFor(spans, [command(client.traceparent)]);
    const answer = await post({ traceparent: client.traceparent, tracestate: 'vendor=1' });
    expect(answer.json()).toEqual({ traceId: client.traceId });
    const request = await ended(spans, 'POST /commands');
    const send = spans.named('send commands');
    expect(request.kind).toBe(SpanKind.SERVER);
    expect(request.parentSpanContext?.spanId).toBe(client.spanId);
    expect(request.attributes).toEqual({
      'http.request.method': 'POST',
      'http.route': '/commands',
      'http.response.status_code': 200,
      'url.path': '/commands',
      'url.scheme': 'http',
    });
    expect(send.kind).toBe(SpanKind.PRODUCER);
    expect(send.parentSpanContext?.spanId).toBe(request.spanContext().spanId);
    expect(published).toEqual([
      {
        ...command(null).record,
        headers: {
          'content-type': 'application/json',
          traceparent: `00-${client.traceId}-${send.spanContext().spanId}-01`,
          tracestate: 'vendor=1',
        },
      },
    ]);
  });

  it('begins a trace when its client names none', async () => {
    const spans = new RecordedSpans();
    const { post, published } = serverFor(spans, [command(null)]);
    await post();
    const request = await ended(spans, 'POST /commands');
    expect(request.parentSpanContext).toBeUndefined();
    expect(String(published[0]?.headers.traceparent)).toContain(request.spanContext().traceId);
  });

  it('leaves a command in the trace that the command states, and is linked to it', async () => {
    const spans = new RecordedSpans();
    const commands = [command(own.traceparent), command(null)];
    const { post, published } = serverFor(spans, commands);
    await post({ traceparent: client.traceparent });
    const send = spans.named('send commands');
    expect(published[0]).toBe(commands[0]?.record);
    expect(String(published[1]?.headers.traceparent)).toContain(client.traceId);
    expect(linksOf(send)).toEqual([own.spanId]);
    expect(send.attributes).toMatchObject({ 'messaging.batch.message_count': 2 });
  });

  it('that the service cannot answer is noted as an error', async () => {
    const spans = new RecordedSpans();
    await serverFor(spans, []).server.inject('/broken');
    const { status, attributes } = await ended(spans, 'GET /broken');
    expect(status).toEqual({ code: SpanStatusCode.ERROR });
    expect(attributes).toMatchObject({ 'error.type': '503' });
  });

  it('of a probe, or of no route, has no span', async () => {
    const spans = new RecordedSpans();
    const { server } = serverFor(spans, []);
    await server.inject('/healthz');
    await server.inject('/nothing');
    await server.inject('/broken');
    await ended(spans, 'GET /broken');
    expect(spans.ended.map(({ name }) => name)).toEqual(['GET /broken']);
  });
});
