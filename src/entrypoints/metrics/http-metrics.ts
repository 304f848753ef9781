import type { FastifyReply, FastifyRequest } from 'fastify';
import { traceIdOf } from '../../tracing/trace-id.ts';
import type { MetricBook } from './book.ts';
import { exemplarOf } from './exemplars.ts';

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
/** An answer that lasts as long as its client stays says nothing about the service. */
const ENDLESS = '/events';

/** Counts the requests of HTTP by the templates of their routes, never by their paths. */
export class HttpMetrics {
  readonly #requests;
  readonly #seconds;

  constructor(book: MetricBook) {
    const labels = {
      method: 'a method of HTTP, or other',
      route: 'the path of a route with its parameters, such as /products/:sku; none: no such route',
    };
    this.#requests = book.counter({
      name: 'allocation_http_requests_total',
      help: 'Answered requests of HTTP',
      labels: { ...labels, status: 'a status code' },
    });
    this.#seconds = book.histogram({
      name: 'allocation_http_request_duration_seconds',
      help: `Time from a request of HTTP to the end of its answer, without GET ${ENDLESS}`,
      labels,
      hasExemplars: true,
      buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    });
  }

  /** Notes an answer that is sent, or whose client is gone. */
  note(request: FastifyRequest, reply: FastifyReply): void {
    const { url } = request.routeOptions;
    const route = request.is404 || url === undefined ? 'none' : url;
    const method = METHODS.has(request.method) ? request.method : 'other';
    this.#requests.inc({ method, route, status: String(reply.statusCode) });
    if (route === ENDLESS) return;
    this.#seconds.observe({
      labels: { method, route },
      value: reply.elapsedTime / 1_000,
      exemplarLabels: exemplarOf(traceIdOf(request.headers.traceparent)),
    });
  }
}
