import { z } from 'zod';
import { nameParameter } from '../query-schemas.ts';
import type { Content, Operation } from './operation.ts';

const text = z.string();
const asJson = (schema: z.ZodType, examples: Record<string, unknown>): Content => ({
  'application/json': { schema, examples },
});

const EVENT =
  'id: 0/1,1/0\nevent: Allocated\ndata: {"specversion":"1.0","type":"Allocated","source":' +
  '"/allocation","id":"allocation.commands/0/1","data":{"orderid":"order-1","sku":"SMALL-TABLE",' +
  '"qty":2,"batchref":"batch-1"}}\n\n';

/** `GET /events`. */
export const EVENTS_OPERATION: Operation = {
  id: 'streamEvents',
  tag: 'events',
  summary: 'A live stream of events (server-sent events)',
  description:
    'Each server-sent event has the type as `event`, and as `data` the structured CloudEvent: ' +
    'the component `Event`. Drop repeats by the `id` in `data`. The stream begins with the ' +
    'events that are published from now on, or behind `Last-Event-ID`.',
  query: z.object({
    sku: nameParameter.optional().describe('only events and composites about this product'),
    sample: z
      .literal('true', 'must be true')
      .optional()
      .describe('leave events out while more come than a person can look at'),
  }),
  headers: z.object({
    'last-event-id': z
      .string()
      .optional()
      .describe('the `id` of the last server-sent event that the client has read'),
  }),
  answers: {
    200: {
      description: 'The stream, which does not end',
      content: { 'text/event-stream': { schema: text, examples: { event: EVENT } } },
    },
  },
  problems: ['invalidParameter', 'unknownParameter'],
};

/** `GET /healthz`. */
export const HEALTH_OPERATION: Operation = {
  id: 'getHealth',
  tag: 'service',
  summary: 'Whether the process lives',
  answers: {
    200: {
      description: 'The process lives',
      content: asJson(z.object({ status: z.literal('alive') }), { alive: { status: 'alive' } }),
    },
  },
};

const readiness = z.object({
  status: z.enum(['ready', 'not ready']),
  problems: z.array(z.string()).describe('what keeps the service from answering commands'),
  standby: z.string().optional().describe('why this process stands by while another one works'),
  notes: z
    .array(z.string())
    .optional()
    .describe('what is no problem, but good to know: each lane that is paused'),
});

/** `GET /readyz`. */
export const READINESS_OPERATION: Operation = {
  id: 'getReadiness',
  tag: 'service',
  summary: 'Whether the instance can answer commands',
  answers: {
    200: {
      description: 'Nothing keeps the instance from answering commands',
      content: asJson(readiness, { ready: { status: 'ready', problems: [] } }),
    },
    503: {
      description: 'Something keeps the instance from answering commands',
      content: asJson(readiness, {
        waiting: { status: 'not ready', problems: ['The log cannot be reached: no answer'] },
      }),
    },
  },
};

/** `GET /metrics`. */
export const METRICS_OPERATION: Operation = {
  id: 'getMetrics',
  tag: 'service',
  summary: 'Metrics for Prometheus',
  answers: {
    200: {
      description:
        'The metrics in the text format of Prometheus, or in OpenMetrics with exemplars if the ' +
        'client prefers that',
      content: {
        'text/plain': { schema: text, examples: { ready: 'allocation_ready 1\n' } },
        'application/openmetrics-text': {
          schema: text,
          examples: { ready: 'allocation_ready 1\n# EOF\n' },
        },
      },
    },
  },
};

/** `GET /`. */
export const PAGE_OPERATION: Operation = {
  id: 'getPage',
  tag: 'service',
  summary: 'The page for operators',
  description:
    'The page asks the routes of this API. It asks its user for a token if they need one.',
  answers: {
    200: {
      description: 'A page of HTML with scripts',
      content: { 'text/html': { schema: text, examples: { page: '<!doctype html>' } } },
    },
  },
};

/** `GET /openapi.json`. */
export const DOCUMENT_OPERATION: Operation = {
  id: 'getOpenApi',
  tag: 'contract',
  summary: 'This document',
  answers: {
    200: {
      description: 'The routes on this port, in OpenAPI 3.1',
      content: asJson(z.looseObject({ openapi: z.string() }), { document: { openapi: '3.1.0' } }),
    },
  },
};

/** `GET /docs`. */
export const DOCS_OPERATION: Operation = {
  id: 'getDocs',
  tag: 'contract',
  summary: 'This document as a page',
  answers: {
    200: {
      description: 'A page of HTML, without scripts',
      content: { 'text/html': { schema: text, examples: { page: '<!doctype html>' } } },
    },
  },
};
