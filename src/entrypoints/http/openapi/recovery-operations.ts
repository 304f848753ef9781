import { z } from 'zod';
import { ACCEPTED_JOB } from './job-operations.ts';
import type { Operation } from './operation.ts';

/** What a rebuild of the service's database would do. */
export const recoveryPlan = z.object({
  lines: z.array(z.string()).describe('the plan for people'),
  command: z.string().nullable().describe('rebuilds the database; null: no command can do that'),
  refusal: z.string().nullable().describe('why a rebuild would be refused; null: it would not be'),
  events: z.object({ topic: z.string(), offsets: z.int().describe('how many would be read') }),
  positions: z
    .array(z.object({ partition: z.int(), nextOffset: z.int() }))
    .describe('where the lanes go on'),
  seconds: z.int().describe('about how long the rebuild takes'),
});

/** `POST /recovery/verify`. */
export const START_VERIFY: Operation = {
  id: 'startVerify',
  tag: 'recovery',
  summary: 'Compare the database with the topics, as a job',
  description:
    'Changes nothing. While the job runs, its `result` has the differences so far: `count`, ' +
    '`counts` by kind, and `differences`, the first of each kind. At the end it has `verdict` ' +
    'too: `equal`, `different`, or `equal-where-compared` if retention has deleted events.',
  answers: { 202: ACCEPTED_JOB },
  problems: ['jobRunning'],
};

/** `GET /recovery/plan`. */
export const GET_RECOVERY_PLAN: Operation = {
  id: 'getRecoveryPlan',
  tag: 'recovery',
  summary: 'What a rebuild of the database would do',
  description: 'Changes nothing. Operators rebuild on the command line.',
  query: z.object({}),
  answers: {
    200: {
      description: 'The plan',
      content: {
        'application/json': {
          schema: recoveryPlan,
          examples: {
            plan: {
              lines: ['Events: allocation.events, 1200 offsets in 4 partitions'],
              command:
                'npx allocation replay rebuild --into sqlite:///./cosmicpython.db --from-copy',
              refusal: null,
              events: { topic: 'allocation.events', offsets: 1_200 },
              positions: [{ partition: 0, nextOffset: 700 }],
              seconds: 1,
            },
          },
        },
      },
    },
  },
  problems: ['unknownParameter', 'manyReads'],
};
