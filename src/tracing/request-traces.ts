import { ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AddressedRecord } from '../service-layer/records.ts';
import { ATTRIBUTES, OPERATIONS } from './semantic-conventions.ts';
import { endAfter, isSampled } from './spans.ts';
import { childOf, contextOf, headersOf } from './trace-context.ts';
import type { Tracing } from './tracing.ts';

/** The span of each request that is under way. */
const spans = new WeakMap<FastifyRequest, Span>();

/** Returns the trace id of the request, for log lines and exemplars. Undefined: it has no trace. */
export function traceIdOfRequest(request: FastifyRequest): string | undefined {
  return spans.get(request)?.spanContext().traceId;
}

/**
 * Makes a span of each request to a route that needs a role. Probes and files of the page have no
 * span. A request that names a trace continues that trace.
 */
export function traceRequests(server: FastifyInstance, { tracer }: Tracing): void {
  server.addHook('onRequest', (request, reply, done) => {
    const { url: route, config } = request.routeOptions;
    if (route !== undefined && (config.access ?? 'open') !== 'open') {
      const attributes = {
        [ATTRIBUTES.method]: request.method,
        [ATTRIBUTES.route]: route,
        [ATTRIBUTES.path]: request.url.split('?')[0] ?? '',
        [ATTRIBUTES.scheme]: request.protocol,
      };
      const options = { kind: SpanKind.SERVER, attributes };
      const { traceparent, tracestate } = request.headers;
      const parent = childOf(contextOf({ traceparent, tracestate }));
      const span = tracer.startSpan(`${request.method} ${route}`, options, parent);
      spans.set(request, span);
      reply.raw.once('close', () => end(span, reply));
    }
    done();
  });
}

function end(span: Span, { raw }: FastifyReply): void {
  if (raw.headersSent) span.setAttribute(ATTRIBUTES.status, raw.statusCode);
  if (raw.statusCode >= 500) {
    span.setAttribute(ATTRIBUTES.errorType, String(raw.statusCode));
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}

/** A command of a request, and the `traceparent` that its message states. */
export interface TracedRecord {
  readonly record: AddressedRecord;
  readonly traceparent: string | null;
}

/**
 * Publishes the commands of a request in a span `send`. A command comes from that span, unless its
 * message names another one: a CloudEvent may state its own trace, which the span is linked to.
 *
 * @param publish publishes the records in its order
 */
export async function sendTraced<T>(
  { tracer, messagingSystem }: Tracing,
  request: FastifyRequest,
  topic: string,
  commands: readonly TracedRecord[],
  publish: (records: readonly AddressedRecord[]) => Promise<T>,
): Promise<T> {
  const attributes = {
    ...OPERATIONS.send,
    [ATTRIBUTES.messagingSystem]: messagingSystem,
    [ATTRIBUTES.destination]: topic,
    ...(commands.length !== 1 && { [ATTRIBUTES.messageCount]: commands.length }),
  };
  const ofRequest = request.headers.traceparent;
  const statesOwn = ({ traceparent }: TracedRecord) =>
    traceparent !== null && traceparent !== ofRequest;
  const links = commands
    .filter(statesOwn)
    .map(({ traceparent }) => contextOf({ traceparent }))
    .filter((each) => each !== null)
    .filter(isSampled)
    .map((context) => ({ context }));
  const server = spans.get(request);
  const parent = server ? trace.setSpan(ROOT_CONTEXT, server) : ROOT_CONTEXT;
  const span = tracer.startSpan(
    `send ${topic}`,
    { kind: SpanKind.PRODUCER, attributes, links },
    parent,
  );
  const headers = headersOf(span.spanContext());
  const records = commands.map((command) =>
    statesOwn(command)
      ? command.record
      : { ...command.record, headers: { ...command.record.headers, ...headers } },
  );
  return await endAfter(span, publish(records));
}
