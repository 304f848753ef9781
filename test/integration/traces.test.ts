// @module-tag db
// @module-tag slow

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ReceivedRecord } from '../../src/service-layer/records.ts';
import { SCHEMA_URL } from '../../src/tracing/semantic-conventions.ts';
import { eventually } from '../support/eventually.ts';
import { OtlpReceiver, type ReceivedSpan } from '../support/otlp-receiver.ts';
import { senderSpan } from '../support/recorded-spans.ts';
import { RunningService } from '../support/running-service.ts';
import { ServiceProcess } from '../support/service-process.ts';

vi.setConfig({ testTimeout: 120_000 });

const supportFile = (name: string) => fileURLToPath(new URL(`../support/${name}`, import.meta.url));
const CLI = fileURLToPath(new URL('../../src/cli/allocation.ts', import.meta.url));
const client = senderSpan('c');
const BATCH = { type: 'CreateBatch', reference: 'batch-1', sku: 'LAMP', quantity: 20 };
const ORDER = { type: 'AllocateOrder', orderid: 'order-1', sku: 'LAMP', qty: 2 };

function post(url: string, command: object, headers: Record<string, string> = {}) {
  return fetch(`${url}/commands`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(command),
  });
}

const traced = { traceparent: client.traceparent, tracestate: 'vendor=1' };

describe('One order', () => {
  it('is one trace from HTTP to its event', async () => {
    await using receiver = await OtlpReceiver.open();
    await using running = await RunningService.start({
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-team=stock',
      OTEL_SERVICE_NAME: 'stock',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
    });
    const { commandsTopic, eventsTopic } = running.config;
    await running.send(BATCH);
    await running.idle();
    const url = running.service.http.url ?? '';
    expect((await post(url, ORDER, traced)).status).toBe(202);
    await running.idle();

    const span = (name: string) => receiver.span(client.traceId, name);
    const request = await span('POST /commands');
    const sent = await span(`send ${commandsTopic}`);
    const delivery = await span(`process ${commandsTopic}`);
    const decided = await span('decide AllocateOrder');
    const committed = await span('commit');
    const published = await span(`send ${eventsTopic}`);
    const shapeOf = ({ kind, parentSpanId, links }: ReceivedSpan) => ({
      kind,
      parentSpanId,
      links,
    });
    expect([request, sent, delivery, decided, committed, published].map(shapeOf)).toEqual([
      { kind: 'server', parentSpanId: client.spanId, links: [] },
      { kind: 'producer', parentSpanId: request.spanId, links: [] },
      { kind: 'consumer', parentSpanId: sent.spanId, links: [sent.spanId] },
      { kind: 'internal', parentSpanId: sent.spanId, links: [delivery.spanId] },
      { kind: 'internal', parentSpanId: delivery.spanId, links: [] },
      { kind: 'producer', parentSpanId: decided.spanId, links: [decided.spanId] },
    ]);
    expect(decided).toMatchObject({
      traceState: 'vendor=1',
      attributes: { 'allocation.orderid': 'order-1', 'allocation.events': ['Allocated'] },
      resource: { 'service.name': 'stock', 'deployment.environment.name': 'test' },
      schemaUrl: SCHEMA_URL,
    });
    expect(receiver.requests[0]).toMatchObject({
      url: '/v1/traces',
      headers: { 'x-team': 'stock', 'content-type': 'application/x-protobuf' },
    });
    expect(traceHeadersOf(running.events.at(-1))).toEqual({
      traceparent: `00-${client.traceId}-${decided.spanId}-01`,
      tracestate: 'vendor=1',
    });
  });

  it('that nobody wants to trace is not exported, and its event says so', async () => {
    await using receiver = await OtlpReceiver.open();
    const running = await RunningService.start({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url });
    const { traceparent, traceId } = senderSpan('d', false);
    const headers = { traceparent };
    await running.send({ value: JSON.stringify(BATCH), headers });
    await running.idle();
    await running[Symbol.asyncDispose]();
    expect(String(running.events[0]?.headers.traceparent)).toMatch(
      new RegExp(`^00-${traceId}-(?!d{16})[0-9a-f]{16}-00$`),
    );
    expect(receiver.spans.map((span) => span.traceId)).not.toContain(traceId);
  });

  it('keeps its trace when it is redriven after a failure', async () => {
    await using receiver = await OtlpReceiver.open();
    await using running = await RunningService.start({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url });
    await running.send({ value: '{"type":"CreateBatch"}', headers: traced });
    await running.idle();
    expect(traceHeadersOf(running.deadLetters[0])).toEqual(traced);
    await running.cli('dead-letters', 'redrive', '--all', '--execute');
    await running.idle();
    expect(running.deadLetters.at(-1)?.headers['dead-letter-redrives']).toBeDefined();
    expect(traceHeadersOf(running.deadLetters.at(-1))).toEqual(traced);
  });
});

describe('A service in a process of its own', () => {
  let directory: string;
  let environment: Record<string, string>;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-traces-'));
    environment = {
      DATABASE_URL: `sqlite:///${join(directory, 'allocation.db')}`,
      KAFKA_GROUP_ID: 'group',
      COMMANDS_TOPIC: 'commands',
      EVENTS_TOPIC: 'events',
      DEAD_LETTERS_TOPIC: 'dead-letters',
      TOPIC_PARTITIONS: '1',
    };
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it('that is killed before it publishes leaves the trace to its successor', async () => {
    await using receiver = await OtlpReceiver.open();
    const tracing = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url };
    const fault = { FAULT_POINT: 'chunk-taken', FAULT_KIND: 'kill', FAULT_PASSING: '1' };
    await using service = ServiceProcess.spawn(
      { ...environment, ...tracing, ...fault },
      directory,
      [process.execPath, supportFile('faulty-service.ts')],
    );
    await service.ready();
    await post(service.url, BATCH, traced).catch(() => {});
    await eventually(() => expect(service.signal).toBe('SIGKILL'), { withinMs: 60_000 });

    await using successor = await RunningService.start({ ...environment, ...tracing });
    await eventually(() => expect(successor.events).toHaveLength(1), { withinMs: 60_000 });
    const { traceparent, tracestate } = traceHeadersOf(successor.events[0]);
    const [, traceId, decidedSpanId = ''] = String(traceparent).split('-');
    expect({ traceId, tracestate }).toEqual({ traceId: client.traceId, tracestate: 'vendor=1' });
    expect(await receiver.span(client.traceId, 'send events')).toMatchObject({
      kind: 'producer',
      parentSpanId: decidedSpanId,
      links: [decidedSpanId],
    });
  });

  it('adds no header and loads no SDK when tracing is off', async () => {
    const program = [process.execPath, '--import', supportFile('loaded-packages.ts'), CLI] as const;
    const service = ServiceProcess.spawn(environment, directory, program);
    await service.ready();
    await post(service.url, { ...BATCH, id: 'cmd-1' }, traced);
    await post(service.url, { ...ORDER, id: 'cmd-2' });
    await eventually(
      async () => {
        const order = await fetch(`${service.url}/allocations/order-1`);
        expect(order.status).toBe(200);
      },
      { withinMs: 60_000 },
    );
    expect(await service.stop()).toBe(0);
    const loaded = service.output.find((line) => line.startsWith('Loaded packages: '));
    expect(loaded?.split(' ').filter((name) => name.startsWith('@opentelemetry/'))).toEqual([
      '@opentelemetry/api',
    ]);

    await using reader = await RunningService.start(environment);
    await eventually(() => expect(reader.events).toHaveLength(2), { withinMs: 60_000 });
    const names = [
      'content-type',
      ...['specversion', 'id', 'source', 'type', 'dataschema', 'subject', 'time'].map(
        (n) => `ce_${n}`,
      ),
      ...['ce_causationid', 'ce_correlationid', 'ce_causationform', 'ce_sequence'],
    ];
    const [created, allocated] = reader.events;
    expect(Object.keys(created?.headers ?? {})).toEqual([...names, 'traceparent']);
    expect(String(created?.headers.traceparent)).toBe(client.traceparent);
    expect(Object.keys(allocated?.headers ?? {})).toEqual(names);
  });
});

describe('A collector that is away', () => {
  it('neither slows nor stops the service, and is logged once', async () => {
    // The exporter reads this variable itself.
    vi.stubEnv('OTEL_EXPORTER_OTLP_TIMEOUT', '200');
    const running = await RunningService.start({
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=pa55word',
    });
    vi.unstubAllEnvs();
    const warnings = () => running.log.filter(({ msg }) => String(msg).includes('do not reach'));
    await running.send(BATCH);
    await eventually(() => expect(warnings()).toHaveLength(1), { withinMs: 60_000 });
    await running.send(ORDER);
    await running.idle();
    expect(running.eventTypes()).toEqual(['BatchCreated', 'Allocated']);
    await running[Symbol.asyncDispose]();
    expect(warnings()).toHaveLength(1);
    expect(JSON.stringify(running.log)).not.toContain('pa55word');
  });
});

describe('A collector that is slow', () => {
  it('holds up no command, and gets the spans once it answers', async () => {
    // Patient, as an operator may set it: the exporter reads this variable itself.
    vi.stubEnv('OTEL_EXPORTER_OTLP_TIMEOUT', '120000');
    await using receiver = await OtlpReceiver.open();
    const { promise, resolve: answer } = Promise.withResolvers<void>();
    receiver.mayAnswer = promise;
    await using running = await RunningService.start({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url });
    vi.unstubAllEnvs();
    await running.send(BATCH);
    await running.idle();
    await eventually(() => expect(receiver.requests).toHaveLength(1), { withinMs: 60_000 });
    await running.send({ value: JSON.stringify(ORDER), headers: traced });
    await running.idle();
    expect(running.eventTypes()).toEqual(['BatchCreated', 'Allocated']);
    expect([receiver.requests.length, receiver.answeredCount]).toEqual([1, 0]);
    answer();
    await receiver.span(client.traceId, 'decide AllocateOrder');
  });
});

function traceHeadersOf(record: ReceivedRecord | undefined) {
  const { traceparent, tracestate } = record?.headers ?? {};
  return { traceparent: String(traceparent), tracestate: String(tracestate) };
}
