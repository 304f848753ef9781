import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { describe, expect, it } from 'vitest';
import { type IncomingCommand, readCommand } from '../../../src/messages/read-command.ts';
import type { CommandSource } from '../../../src/service-layer/notifications.ts';
import type { UnitOfWork } from '../../../src/service-layer/unit-of-work.ts';
import { DeliveryTrace } from '../../../src/tracing/delivery-trace.ts';
import { traceIdOf } from '../../../src/tracing/trace-id.ts';
import { linksOf, RecordedSpans, senderSpan } from '../../support/recorded-spans.ts';

const lane = { topic: 'commands', partition: 3 };
const unitOfWork = {} as UnitOfWork;
const [a, b] = [senderSpan('a'), senderSpan('b')];
const allocated = { type: 'Allocated' } as never;

function recordOf(offset: number, headers: Record<string, string> = {}, value: object = {}) {
  const order = { type: 'AllocateOrder', orderid: `order-${offset}`, sku: 'LAMP', qty: 1 };
  const record = {
    ...lane,
    offset,
    headers,
    value: Buffer.from(JSON.stringify({ ...order, ...value })),
  };
  const incoming = readCommand(record, `commands/3/${offset}`) as IncomingCommand;
  return { record, incoming };
}

function traceOf(spans: RecordedSpans, records: readonly ReturnType<typeof recordOf>[]) {
  const trace = new DeliveryTrace(spans.tracing, lane, 'group', records);
  const sources: CommandSource[] = [];
  const bus = trace.busOver({
    handle: async (_command, _unitOfWork, source) => {
      if (source) sources.push(source);
      return [allocated, allocated];
    },
  });
  const decide = ({ record: { offset }, incoming }: ReturnType<typeof recordOf>) =>
    bus.handle(incoming.command, unitOfWork, {
      ...lane,
      offset,
      commandId: 'id',
      traceparent: null,
    });
  return { trace, decide, sources };
}

describe('The spans of a delivery', () => {
  it('are one that is linked to each sender, and one in the trace of each command', async () => {
    const spans = new RecordedSpans();
    const records = [
      recordOf(7, { traceparent: a.traceparent }),
      recordOf(8, { traceparent: b.traceparent }),
    ];
    const { trace, decide } = traceOf(spans, records);
    for (const record of records) await decide(record);
    trace.startCommit();
    await trace.endAfter(Promise.resolve());

    const process = spans.named('process commands');
    expect(process.kind).toBe(SpanKind.CONSUMER);
    expect(linksOf(process)).toEqual([a.spanId, b.spanId]);
    expect(process.attributes).toEqual({
      'messaging.system.name': 'kafka',
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.destination.name': 'commands',
      'messaging.destination.partition.id': '3',
      'messaging.consumer.group.name': 'group',
      'messaging.batch.message_count': 2,
    });
    const decided = spans.ended.filter(({ name }) => name === 'decide AllocateOrder');
    expect(decided.map(({ parentSpanContext }) => parentSpanContext?.spanId)).toEqual([
      a.spanId,
      b.spanId,
    ]);
    for (const span of decided) expect(linksOf(span)).toEqual([process.spanContext().spanId]);
    expect(decided[0]?.attributes).toEqual({
      'allocation.command': 'AllocateOrder',
      'allocation.orderid': 'order-7',
      'allocation.events': ['Allocated'],
      'messaging.message.id': 'commands/3/7',
      'kafka.offset': 7,
    });
    expect(spans.named('commit').parentSpanContext?.spanId).toBe(process.spanContext().spanId);
  });

  it("let events come from the span that decided, with the sender's tracestate", async () => {
    const spans = new RecordedSpans();
    const record = recordOf(7, { traceparent: a.traceparent, tracestate: 'vendor=1' });
    const { trace, decide } = traceOf(spans, [record]);
    await decide(record);
    const { spanId } = spans.named('decide AllocateOrder').spanContext();
    const [answer] = trace.propagate([record]);
    expect(answer?.incoming).toEqual({
      ...record.incoming,
      traceparent: `00-${a.traceId}-${spanId}-01`,
      tracestate: 'vendor=1',
    });
    expect(answer?.record).toBe(record.record);
  });

  it('give a command without a trace one of its own, which its log lines name', async () => {
    const spans = new RecordedSpans();
    const records = [recordOf(7), recordOf(8)];
    const { trace, decide, sources } = traceOf(spans, records);
    for (const record of records) await decide(record);
    const traces = spans.ended.map((span) => span.spanContext().traceId);
    expect(new Set(traces).size).toBe(2);
    expect(sources.map(({ traceparent }) => traceIdOf(traceparent))).toEqual(traces);
    const answers = trace.propagate(records);
    expect(answers.map(({ incoming }) => traceIdOf(incoming.traceparent))).toEqual(traces);
  });

  it('follow the trace that a structured CloudEvent states', async () => {
    const spans = new RecordedSpans();
    const event = { specversion: '1.0', id: '1', source: '/shop', traceparent: b.traceparent };
    const data = { orderid: 'order-1', sku: 'LAMP', qty: 1 };
    const record = recordOf(
      7,
      {
        'content-type': 'application/cloudevents+json',
        traceparent: a.traceparent,
        tracestate: 'of=a',
      },
      { ...event, data },
    );
    const { trace, decide } = traceOf(spans, [record]);
    await decide(record);
    expect(spans.named('decide AllocateOrder').parentSpanContext?.spanId).toBe(b.spanId);
    expect(trace.propagate([record])[0]?.incoming).not.toHaveProperty('tracestate');
  });

  it('leave a command that was not decided as it is', () => {
    const record = recordOf(7, { traceparent: a.traceparent });
    const unreadable = { record: record.record, incoming: { kind: 'unreadable' } as const };
    const { trace } = traceOf(new RecordedSpans(), [record]);
    expect(trace.propagate([record, unreadable])).toEqual([record, unreadable]);
  });

  it('note why a transaction failed', async () => {
    const spans = new RecordedSpans();
    const { trace } = traceOf(spans, [recordOf(7)]);
    trace.startCommit();
    const error = Object.assign(new Error('gone'), { code: 'trouble' });
    await expect(trace.endAfter(Promise.reject(error))).rejects.toBe(error);
    for (const name of ['process commands', 'commit']) {
      expect(spans.named(name).status).toEqual({ code: SpanStatusCode.ERROR });
      expect(spans.named(name).attributes).toMatchObject({ 'error.type': 'trouble' });
    }
  });
});
