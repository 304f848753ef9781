import { z } from 'zod';
import { LETTER_CURSOR } from '../../../dead-letters/letter-pages.ts';
import { cursorLike, nameParameter, pageLimit } from '../query-schemas.ts';
import { ACCEPTED_JOB } from './job-operations.ts';
import {
  letterFilters,
  letterGroup,
  letterPreview,
  letterSummary,
  letterView,
  previewExample,
  readingExample,
  readingFields,
  summaryExample,
} from './letter-schemas.ts';
import type { Operation } from './operation.ts';
import { conditionalHeaders, pageAnswers } from './stock-operations.ts';

/** The most letters that one request names by their ids. */
const MAX_IDS = 10_000;
/** The largest body, in bytes. It has room for these ids. */
const MAX_BODY_BYTES = 2 * 1024 * 1024;

const params = z.object({ id: z.string().describe("the letter's place, percent-encoded") });
const dryRun = z.boolean().default(false).describe('only say what would be done');
const expectedCount = z
  .int()
  .min(0)
  .optional()
  .describe('the count of the preview: refuse the act if it would handle more letters');
const maxRedrives = z
  .int()
  .min(1)
  .default(3)
  .describe('refuse a failed command that was redriven this often');

/** `GET /dead-letters`. */
export const LIST_LETTERS: Operation = {
  id: 'listDeadLetters',
  tag: 'dead letters',
  summary: 'Dead letters, the oldest first',
  query: z.object({
    status: z
      .enum(['open', 'redriven', 'discarded'], 'must be one of: open, redriven, discarded')
      .default('open')
      .describe('`open`: nobody has redriven or discarded the letter'),
    ...letterFilters,
    limit: pageLimit,
    after: cursorLike(LETTER_CURSOR),
  }),
  headers: conditionalHeaders,
  answers: pageAnswers(
    z.object({
      deadLetters: z.array(letterSummary),
      hasMoreDeadLetters: z.boolean(),
      total: z.int().describe('how many letters match'),
      ...readingFields,
    }),
    { deadLetters: [summaryExample], hasMoreDeadLetters: false, total: 1, ...readingExample },
    '/dead-letters?limit=1&after=1764093600000.0.3',
  ),
  problems: ['invalidParameter', 'unknownParameter', 'manyReads'],
};

/** `GET /dead-letters/groups`. */
export const GROUP_LETTERS: Operation = {
  id: 'groupDeadLetters',
  tag: 'dead letters',
  summary: 'The dead letters on the list, by reason, type and cause',
  query: z.object({}),
  answers: {
    200: {
      description: 'The group with the oldest letter comes first. There are at most 1,006',
      content: {
        'application/json': {
          schema: z.object({ groups: z.array(letterGroup), total: z.int(), ...readingFields }),
          examples: {
            groups: {
              groups: [
                {
                  reason: 'invalid-data',
                  type: 'AllocateOrder',
                  cause: summaryExample.cause,
                  count: 1,
                  oldestAt: summaryExample.at,
                  whatToDo: 'Edit the fields that the message names, or discard the letter.',
                },
              ],
              total: 1,
              ...readingExample,
            },
          },
        },
      },
    },
  },
  problems: ['unknownParameter', 'manyReads'],
};

/** `GET /dead-letters/:id`. */
export const GET_LETTER: Operation = {
  id: 'getDeadLetter',
  tag: 'dead letters',
  summary: 'One whole dead letter, on the list or off it',
  params,
  query: z.object({}),
  answers: {
    200: {
      description: 'The letter, and what can be done about it',
      content: {
        'application/json': {
          schema: letterView,
          examples: {
            letter: {
              ...summaryExample,
              inPlainWords: 'The message has wrong data, or data of an unknown version.',
              whatToDo: 'Edit the fields that the message names, or discard the letter.',
              message: 'AllocateOrder: qty must be at least 1',
              attempts: 1,
              redrives: 0,
              skus: [],
              key: 'SMALL-TABLE',
              headers: [['dead-letter-reason', 'invalid-data']],
              data: '{"type":"AllocateOrder","orderid":"order-1","sku":"SMALL-TABLE","qty":0}',
              encoding: 'utf-8',
              command: {
                type: 'AllocateOrder',
                data: { orderid: 'order-1', sku: 'SMALL-TABLE', qty: 0 },
              },
              expected: { failure: 'AllocateOrder: qty must be at least 1', ignored: [] },
              chain: [summaryExample.id],
              hasMoreChain: false,
              acts: [],
            },
          },
        },
      },
    },
  },
  problems: ['unknownParameter', 'unknownLetter', 'longName', 'readingLetters', 'manyReads'],
};

const filter = z
  .strictObject({
    ...letterFilters,
    commandId: nameParameter.optional().describe('the id of the command'),
    source: nameParameter.optional().describe('the source of the CloudEvent'),
  })
  .refine((each) => Object.keys(each).length > 0, 'must name something: use all for all letters');

const choice = {
  ids: z.array(z.string().min(1).max(300)).min(1).max(MAX_IDS).optional(),
  filter: filter.optional(),
  all: z.literal(true).optional().describe('every letter on the list'),
  dryRun,
  expectedCount,
};

function isOneChoice({ ids, filter, all }: { ids?: unknown; filter?: unknown; all?: unknown }) {
  return [ids, filter, all].filter((each) => each !== undefined).length === 1;
}
const ONE_CHOICE = 'must have exactly one of: ids, filter, all';

/** The body of `POST /dead-letters/redrive`. */
export const redriveBody = z
  .strictObject({ ...choice, maxRedrives })
  .refine(isOneChoice, ONE_CHOICE);

/** The body of `POST /dead-letters/discard`. */
export const discardBody = z.strictObject(choice).refine(isOneChoice, ONE_CHOICE);

/** The body of `POST /dead-letters/:id/edit`. */
export const editBody = z.strictObject({
  type: z.string().optional().describe("the type of the command; absent: the letter's"),
  version: z.int().min(1).optional().describe('of the data; absent: the newest'),
  data: z.looseObject({}).describe('the data of the command that is sent instead'),
  dryRun,
  expectedCount,
  maxRedrives,
});

const previewAnswer = {
  description: 'With `dryRun`: what would be done',
  content: { 'application/json': { schema: letterPreview, examples: { preview: previewExample } } },
};
const answers = { 200: previewAnswer, 202: ACCEPTED_JOB };
const ACT_PROBLEMS = [
  'unknownParameter',
  'unknownLetter',
  'moreLetters',
  'jobRunning',
  'readingLetters',
] as const;
const REPEATABLE =
  'The act is a job (`GET /jobs/{id}`). The same request can be repeated after a failure: a ' +
  'command that is sent twice is answered once.';

/** `POST /dead-letters/redrive`. */
export const REDRIVE_LETTERS: Operation = {
  id: 'redriveDeadLetters',
  tag: 'dead letters',
  summary: 'Send messages to the commands topic again, with the commands parked behind them',
  description: REPEATABLE,
  query: z.object({}),
  json: {
    schema: redriveBody,
    examples: { one: { ids: [summaryExample.id] }, matching: { filter: { sku: 'SMALL-TABLE' } } },
    maxBytes: MAX_BODY_BYTES,
  },
  answers,
  problems: ACT_PROBLEMS,
};

/** `POST /dead-letters/discard`. */
export const DISCARD_LETTERS: Operation = {
  id: 'discardDeadLetters',
  tag: 'dead letters',
  summary: 'Give messages up; commands parked behind them are redriven',
  description: REPEATABLE,
  query: z.object({}),
  json: {
    schema: discardBody,
    examples: { preview: { filter: { reason: 'malformed' }, dryRun: true } },
    maxBytes: MAX_BODY_BYTES,
  },
  answers,
  problems: ACT_PROBLEMS,
};

/** `POST /dead-letters/:id/edit`. */
export const EDIT_LETTER: Operation = {
  id: 'editDeadLetter',
  tag: 'dead letters',
  summary: 'Send another command instead of one letter',
  description:
    'The command gets an id of its own, which comes from the data. So the same edit is answered ' +
    `once. ${REPEATABLE}`,
  params,
  query: z.object({}),
  json: {
    schema: editBody,
    examples: { edit: { data: { orderid: 'order-1', sku: 'SMALL-TABLE', qty: 1 } } },
    maxBytes: MAX_BODY_BYTES,
  },
  answers,
  problems: [...ACT_PROBLEMS, 'unreadableCommand', 'resolvedLetter', 'longName'],
};
