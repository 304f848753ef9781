import type { FastifyReply } from 'fastify';
import { JobRunningError, NoMoreJobsError } from '../../jobs/errors.ts';
import type { JobWork } from '../../jobs/job.ts';
import type { Jobs } from '../../jobs/jobs.ts';
import { CANCEL_JOB, GET_JOB } from './openapi/job-operations.ts';
import { operatorName } from './operator-name.ts';
import { answerProblem, PROBLEMS } from './problem.ts';
import type { Route } from './routes.ts';

/** The routes that tell how far a job is, and end it. */
export function jobRoutes(jobs: Jobs): readonly Route[] {
  return [
    {
      method: 'GET',
      url: '/jobs/:id',
      access: 'read',
      operation: GET_JOB,
      handler: async ({ params: { id = '' } }, reply) =>
        jobs.find(id) ?? answerProblem(reply, PROBLEMS.unknownJob(id)),
    },
    {
      method: 'POST',
      url: '/jobs/:id/cancel',
      access: 'operate',
      operation: CANCEL_JOB,
      handler: async (request, reply) => {
        const { id = '' } = request.params;
        return (
          jobs.cancel(id, operatorName(request)) ?? answerProblem(reply, PROBLEMS.unknownJob(id))
        );
      },
    },
  ];
}

/**
 * Starts a job, and answers 202 with the job and its place. Answers 409 while another job runs.
 *
 * @param act what the job does, in the words of the audit
 * @param by who starts the job
 */
export function answerWithJob(
  reply: FastifyReply,
  jobs: Jobs,
  { act, by, work }: { readonly act: string; readonly by: string; readonly work: JobWork },
): FastifyReply {
  try {
    const job = jobs.start(act, by, work);
    return reply.code(202).header('location', `/jobs/${job.id}`).send(job);
  } catch (error) {
    if (error instanceof JobRunningError)
      return answerProblem(reply, PROBLEMS.jobRunning(error.running));
    if (error instanceof NoMoreJobsError)
      return answerProblem(reply, PROBLEMS.trouble(error.message));
    throw error;
  }
}
