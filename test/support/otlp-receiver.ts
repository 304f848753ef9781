import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import protobuf from 'protobufjs';
import { eventually } from './eventually.ts';

/** What the tests read of OTLP 1.x (opentelemetry/proto/trace/v1 and collector/trace/v1). */
const PROTO = `
  syntax = "proto3";
  message Request { repeated ResourceSpans resource_spans = 1; }
  message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
  message Resource { repeated KeyValue attributes = 1; }
  message ScopeSpans { repeated Span spans = 2; string schema_url = 3; }
  message Span {
    bytes trace_id = 1; bytes span_id = 2; string trace_state = 3; bytes parent_span_id = 4;
    string name = 5; int32 kind = 6; repeated KeyValue attributes = 9; repeated Link links = 13;
  }
  message Link { bytes trace_id = 1; bytes span_id = 2; }
  message KeyValue { string key = 1; AnyValue value = 2; }
  message AnyValue {
    oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3;
      double double_value = 4; ArrayValue array_value = 5; }
  }
  message ArrayValue { repeated AnyValue values = 1; }`;

const REQUEST = protobuf.parse(PROTO).root.lookupType('Request');
const KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'] as const;

/** A span as the service has exported it. */
export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty: the span has no parent. */
  readonly parentSpanId: string;
  readonly traceState: string;
  readonly name: string;
  readonly kind: (typeof KINDS)[number];
  readonly attributes: Readonly<Record<string, unknown>>;
  /** The ids of the spans that the span is linked to. */
  readonly links: readonly string[];
  /** What the span's process says of itself. */
  readonly resource: Readonly<Record<string, unknown>>;
  readonly schemaUrl: string;
}

/** A collector on loopback that keeps the spans it receives over OTLP/HTTP with protobuf. */
export class OtlpReceiver implements AsyncDisposable {
  readonly #server = createServer((request, response) => void this.#receive(request, response));
  readonly spans: ReceivedSpan[] = [];
  /** The path and the headers of each request. */
  readonly requests: Pick<IncomingMessage, 'url' | 'headers'>[] = [];
  /** What each answer waits for. The collector is slow until this promise resolves. */
  mayAnswer: Promise<unknown> = Promise.resolve();
  answeredCount = 0;
  /** The most requests that have waited for their answers at once. */
  mostWaiting = 0;

  static async open(): Promise<OtlpReceiver> {
    const receiver = new OtlpReceiver();
    receiver.#server.listen(0, '127.0.0.1');
    await once(receiver.#server, 'listening');
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Waits for the one span of the name in the trace. */
  span(traceId: string, name: string): Promise<ReceivedSpan> {
    return eventually(
      () => {
        const ofTrace = this.spans.filter((span) => span.traceId === traceId);
        const [span, ...others] = ofTrace.filter((each) => each.name === name);
        if (span && others.length === 0) return span;
        const names = ofTrace.map((each) => each.name).join(', ');
        throw new Error(`The trace has not one span ${name}, but: ${names}`);
      },
      { withinMs: 60_000 },
    );
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests.push({ url: request.url, headers: request.headers });
    this.mostWaiting = Math.max(this.mostWaiting, this.requests.length - this.answeredCount);
    this.spans.push(...spansIn(await buffer(request)));
    await this.mayAnswer;
    this.answeredCount += 1;
    response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }
}

interface Pair {
  readonly key: string;
  readonly value?: Value;
}

interface Value {
  readonly arrayValue?: { readonly values: readonly Value[] };
  readonly [kind: string]: unknown;
}

interface RequestObject {
  readonly resourceSpans: readonly {
    readonly resource?: { readonly attributes: readonly Pair[] };
    readonly scopeSpans: readonly {
      readonly schemaUrl: string;
      readonly spans: readonly {
        readonly traceId: Buffer;
        readonly spanId: Buffer;
        readonly parentSpanId: Buffer;
        readonly traceState: string;
        readonly name: string;
        readonly kind: number;
        readonly attributes: readonly Pair[];
        readonly links: readonly { readonly spanId: Buffer }[];
      }[];
    }[];
  }[];
}

function spansIn(body: Buffer): readonly ReceivedSpan[] {
  const options = { longs: Number, defaults: true, arrays: true, oneofs: false };
  const request = REQUEST.toObject(REQUEST.decode(body), options) as RequestObject;
  return request.resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ schemaUrl, spans }) =>
      spans.map(({ traceId, spanId, parentSpanId, kind, attributes, links, ...span }) => ({
        ...span,
        traceId: hex(traceId),
        spanId: hex(spanId),
        parentSpanId: hex(parentSpanId),
        kind: KINDS[kind] ?? 'unspecified',
        attributes: recordOf(attributes),
        links: links.map((link) => hex(link.spanId)),
        resource: recordOf(resource?.attributes ?? []),
        schemaUrl,
      })),
    ),
  );
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function recordOf(pairs: readonly Pair[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(pairs.map(({ key, value = {} }) => [key, plainValue(value)]));
}

function plainValue(value: Value): unknown {
  return value.arrayValue ? value.arrayValue.values.map(plainValue) : Object.values(value)[0];
}
