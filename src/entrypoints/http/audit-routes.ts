import { readActs } from '../../audit/read-acts.ts';
import type { Broker } from '../../service-layer/broker.ts';
import { LIST_ACTS } from './openapi/audit-operations.ts';
import { answerPage } from './pages.ts';
import { answerProblem, PROBLEMS } from './problem.ts';
import { ReadIntake } from './read-intake.ts';
import type { Route } from './routes.ts';

/** How many questions about the audit are under way at once. Each reads from the log. */
const MAX_AUDIT_READS = 4;

/**
 * The route that tells what operators have done. The role is `operate`, because acts name people.
 * @param topic null: AUDIT_TOPIC is not set
 */
export function auditRoutes(broker: Broker, topic: string | null): readonly Route[] {
  const reads = new ReadIntake(MAX_AUDIT_READS);
  return [
    {
      method: 'GET',
      url: '/audit',
      access: 'operate',
      operation: LIST_ACTS,
      onRequest: (request, reply) => reads.admit(request, reply),
      handler: async (request, reply) => {
        if (topic === null) return answerProblem(reply, PROBLEMS.noAuditTopic());
        const { limit, after } = request.query as {
          readonly limit: number;
          readonly after?: string;
        };
        const { acts, next } = await readActs(broker, topic, limit, after ?? null);
        const view = { acts, hasMoreActs: next !== null };
        return answerPage(request, reply, '/audit', { view, next });
      },
    },
  ];
}
