import { z } from 'zod';
import type { HeaderField, Operation, RouteAnswer } from './operation.ts';

const job = z.object({
  id: z.string(),
  act: z.string().describe('what the job does, in the words of the audit'),
  by: z.string().describe('who has started it'),
  startedAt: z.string().describe('ISO 8601 in UTC'),
  endedAt: z.string().nullable().describe('null: the job runs'),
  state: z.enum(['running', 'done', 'failed', 'cancelled']),
  done: z.int().min(0).describe('how many things are done'),
  total: z.int().nullable().describe('how many things there are to do; null: nobody knows yet'),
  message: z.string().describe('what the job does now, or how it has ended'),
  result: z.looseObject({}).nullable().describe('null: there is no result yet'),
});
const runningJob = {
  id: '5f0c7a52-7f0e-4b9c-9d39-0a4c8f5b8d11',
  act: 'dead-letters redrive',
  by: 'the operator',
  startedAt: '2026-11-25T18:00:00.000Z',
  endedAt: null,
  state: 'running',
  done: 120,
  total: 500,
  message: 'The redrive is under way',
  result: null,
};
const content = { 'application/json': { schema: job, examples: { job: runningJob } } };
const location: HeaderField = {
  description: 'where `GET` says how far the job is',
  type: 'string',
  example: `/jobs/${runningJob.id}`,
};

/** The answer of each route that starts a job. */
export const ACCEPTED_JOB: RouteAnswer = {
  description: 'A job has begun',
  headers: { location },
  content,
};

const params = z.object({ id: z.string() });
const LOCAL = 'Only the instance that runs the job knows it. It remembers 50 jobs that have ended.';

/** `GET /jobs/:id`. */
export const GET_JOB: Operation = {
  id: 'getJob',
  tag: 'jobs',
  summary: 'How far a job is, or how it has ended',
  description: LOCAL,
  params,
  query: z.object({}),
  answers: { 200: { description: 'The job', content } },
  problems: ['unknownParameter', 'unknownJob', 'longName'],
};

/** `POST /jobs/:id/cancel`. */
export const CANCEL_JOB: Operation = {
  id: 'cancelJob',
  tag: 'jobs',
  summary: 'Let a job end at its next safe point',
  description: `What is done stays done. A job that has ended stays as it is. ${LOCAL}`,
  params,
  query: z.object({}),
  answers: { 200: { description: 'The job, which may still run for a moment', content } },
  problems: ['unknownParameter', 'unknownJob', 'longName'],
};
