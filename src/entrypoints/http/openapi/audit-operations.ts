import { z } from 'zod';
import { ACT_CURSOR } from '../../../audit/read-acts.ts';
import { cursorLike, pageLimit } from '../query-schemas.ts';
import type { Operation } from './operation.ts';
import { conditionalHeaders, pageAnswers } from './stock-operations.ts';

const things = z.object({ count: z.int(), first: z.array(z.string()) });

/** `GET /audit`. */
export const LIST_ACTS: Operation = {
  id: 'listActs',
  tag: 'service',
  summary: 'What operators have done, the newest first',
  description: 'Each act has two records with one id: when it begins, and when it ends.',
  query: z.object({
    limit: pageLimit,
    after: cursorLike(ACT_CURSOR),
  }),
  headers: conditionalHeaders,
  answers: pageAnswers(
    z.object({
      acts: z.array(
        z.looseObject({
          id: z.string(),
          at: z.string().describe('ISO 8601 in UTC'),
          act: z.string(),
          state: z.string(),
          by: z.string(),
          from: z.string(),
          on: things.optional(),
          done: things.optional(),
          options: z.looseObject({}).optional(),
          why: z.string().optional(),
        }),
      ),
      hasMoreActs: z.boolean(),
    }),
    {
      acts: [
        {
          id: '0d0f8d4e-6d0a-4a7e-9a53-6f1f1a4c7b21',
          at: '2026-11-25T18:00:00.000Z',
          act: 'dead-letters discard',
          state: 'succeeded',
          by: 'the operator',
          from: 'http',
          on: { count: 1, first: ['allocation.dead-letters/0/3'] },
          done: { count: 1, first: ['allocation.dead-letters/0/3'] },
          options: { all: false },
        },
      ],
      hasMoreActs: false,
    },
    '/audit?limit=1&after=0:41',
  ),
  problems: ['invalidParameter', 'unknownParameter', 'noAuditTopic', 'manyReads'],
};
