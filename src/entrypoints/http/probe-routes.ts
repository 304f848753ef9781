import type { Metrics } from '../metrics/metrics.ts';
import {
  HEALTH_OPERATION,
  METRICS_OPERATION,
  READINESS_OPERATION,
} from './openapi/service-operations.ts';
import { type ReadinessOptions, readinessProblems } from './readiness.ts';
import type { Route } from './routes.ts';

export interface ProbeOptions extends ReadinessOptions {
  readonly metrics: Metrics;
  /** Why this process stands by while another one works; null: it has its share of the work. */
  readonly standby: () => string | null;
  /** What people should know although it is no problem, such as a paused lane. */
  readonly notes: () => readonly string[];
}

/** The routes that watch the service. They are open, because probes have no token. */
export function probeRoutes(options: ProbeOptions): readonly Route[] {
  return [
    {
      method: 'GET',
      url: '/healthz',
      access: 'open',
      operation: HEALTH_OPERATION,
      handler: () => ({ status: 'alive' }),
    },
    {
      method: 'GET',
      url: '/readyz',
      access: 'open',
      operation: READINESS_OPERATION,
      handler: async (_request, reply) => {
        const problems = await readinessProblems(options);
        const [code, status] = problems.length === 0 ? [200, 'ready'] : [503, 'not ready'];
        const standby = options.standby() ?? undefined;
        const notes = options.notes();
        return reply
          .code(code)
          .send({ status, problems, standby, ...(notes.length > 0 && { notes }) });
      },
    },
    {
      method: 'GET',
      url: '/metrics',
      access: 'open',
      operation: METRICS_OPERATION,
      handler: async ({ headers }, reply) => {
        const { contentType, text } = await options.metrics.write(headers.accept);
        return reply.type(contentType).header('vary', 'accept').send(text);
      },
    },
  ];
}
