import type { z } from 'zod';
import type { JobWork } from '../../jobs/job.ts';
import type { Jobs } from '../../jobs/jobs.ts';
import { answerWithJob } from './job-routes.ts';
import {
  GET_RECOVERY_PLAN,
  type recoveryPlan,
  START_VERIFY,
} from './openapi/recovery-operations.ts';
import { operatorName } from './operator-name.ts';
import { ReadIntake } from './read-intake.ts';
import type { Route } from './routes.ts';

export interface RecoveryOptions {
  readonly jobs: Jobs;
  readonly recovery: {
    /** Compares the database with the topics. */
    readonly verify: JobWork;
    /** Says what a rebuild would do. */
    readonly plan: () => Promise<z.infer<typeof recoveryPlan>>;
  };
}

/** How many plans are made at once: each asks the log several questions. */
const MAX_PLANS = 2;

/** The routes that examine the database of the service. They change nothing. */
export function recoveryRoutes({ jobs, recovery }: RecoveryOptions): readonly Route[] {
  const plans = new ReadIntake(MAX_PLANS);
  return [
    {
      method: 'POST',
      url: '/recovery/verify',
      access: 'operate',
      operation: START_VERIFY,
      handler: async (request, reply) => {
        const by = operatorName(request);
        return answerWithJob(reply, jobs, { act: 'replay verify', by, work: recovery.verify });
      },
    },
    {
      method: 'GET',
      url: '/recovery/plan',
      access: 'operate',
      operation: GET_RECOVERY_PLAN,
      onRequest: (request, reply) => plans.admit(request, reply),
      handler: () => recovery.plan(),
    },
  ];
}
