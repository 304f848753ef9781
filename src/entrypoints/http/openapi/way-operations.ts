import { z } from 'zod';
import { HISTORY_CURSOR, WAY_CURSOR } from '../../../order-way/search-cursor.ts';
import { STEP_KINDS } from '../../../order-way/way-step.ts';
import { nameParameter } from '../query-schemas.ts';
import type { HeaderField, Operation } from './operation.ts';
import { conditionalHeaders, pageAnswers } from './stock-operations.ts';

const WRONG_CURSOR = 'must come from the header Link of an answer';

function searchCursor(pattern: RegExp) {
  return z
    .string('must be given once')
    .regex(pattern, WRONG_CURSOR)
    .optional()
    .describe('where the search goes on: take it from the header Link of an answer');
}

const text = z.string().nullable();

const step = z.object({
  kind: z.enum(STEP_KINDS),
  at: z.string().describe('ISO 8601 in UTC, by the clock of its writer'),
  place: z.string().describe('where the step is recorded, `<topic>/<partition>/<offset>`'),
  key: text.describe('the key of the record'),
  type: text.describe('the type of the command or event'),
  commandId: text,
  eventId: text,
  sku: text,
  batchref: text,
  sequence: z.int().nullable().describe('the `ce_sequence` of the event'),
  details: z.string().describe('the step in a few plain words; it may change at any time'),
  sortKey: z.string().describe('sorts the steps of all answers as they happened'),
});

const searchedUntil = z.object({
  at: text.describe('how far back in time the partitions under way are searched'),
  offsets: z.int().describe('how many offsets are searched'),
  ofOffsets: z.int().describe('how many offsets the topics have'),
});

const link: HeaderField = {
  description: 'goes on with the search, `rel="next"` (RFC 8288); absent: all was searched',
  type: 'string',
  example: '</orders/order-1/way?after=a.b~c~>; rel="next"',
};

const NOTHING = { eventId: null, sku: null, batchref: null, sequence: null };

const wayExample = {
  orderid: 'order-1',
  isComplete: true,
  next: null,
  searchedUntil: { at: null, offsets: 4, ofOffsets: 4 },
  steps: [
    {
      ...NOTHING,
      kind: 'received',
      at: '2026-11-28T09:00:00.000Z',
      place: 'allocation.commands/0/7',
      key: 'SMALL-TABLE',
      type: 'AllocateOrder',
      commandId: 'cmd-1',
      sku: 'SMALL-TABLE',
      details: 'wants 2 of SMALL-TABLE',
      sortKey: '2026-11-28T09:00:00.000Z 0000 allocation.commands/0/000000000000007 000000',
    },
    {
      ...NOTHING,
      kind: 'decided',
      at: '2026-11-28T09:00:00.012Z',
      place: 'allocation.events/1/3',
      key: 'SMALL-TABLE',
      type: 'Allocated',
      commandId: 'cmd-1',
      eventId: 'allocation.commands/0/7',
      sku: 'SMALL-TABLE',
      batchref: 'batch-1',
      sequence: 2,
      details: '2 of SMALL-TABLE from batch-1',
      sortKey: '2026-11-28T09:00:00.012Z 0000 allocation.events/1/000000000000003 000007',
    },
  ],
};

const SEARCH_PROBLEMS = ['invalidParameter', 'unknownParameter', 'longName', 'manyReads'] as const;

/** `GET /orders/:orderid/way`. */
export const GET_ORDER_WAY: Operation = {
  id: 'getOrderWay',
  tag: 'stock',
  summary: 'Everything that happened to an order, out of the topics',
  description:
    'One answer searches for about a second, backwards. Follow `next` until `isComplete`. To ' +
    'join the answers, drop steps with the same `kind`, `place` and `eventId`, and sort by ' +
    '`sortKey`.',
  params: z.object({ orderid: nameParameter }),
  query: z.object({ after: searchCursor(WAY_CURSOR) }),
  answers: {
    200: {
      description: 'What this part of the search has found; no step: it has found nothing',
      headers: { link },
      content: {
        'application/json': {
          schema: z.object({
            orderid: z.string(),
            isComplete: z.boolean().describe('whether all that the topics have was searched'),
            next: text.describe('the path that goes on with the search; null: there is no more'),
            searchedUntil,
            steps: z.array(step).describe('as they happened'),
          }),
          examples: { way: wayExample },
        },
      },
    },
  },
  problems: SEARCH_PROBLEMS,
};

const historyEvent = z.object({
  id: text,
  type: text,
  at: z.string().describe('when the service decided, ISO 8601 in UTC'),
  sequence: z.int(),
  place: z.string().describe('where the event lies, `<topic>/<partition>/<offset>`'),
  data: z.looseObject({}),
});

/** `GET /products/:sku/history`. */
export const GET_PRODUCT_HISTORY: Operation = {
  id: 'getProductHistory',
  tag: 'stock',
  summary: 'The events of a product by `ce_sequence`, the newest first, out of the events topic',
  description:
    'One answer searches for about a second, and has at most 100 events. It may have none ' +
    'although the history goes on: follow the header Link.',
  params: z.object({ sku: nameParameter }),
  query: z.object({ after: searchCursor(HISTORY_CURSOR) }),
  headers: conditionalHeaders,
  answers: pageAnswers(
    z.object({ sku: z.string(), events: z.array(historyEvent), hasMoreEvents: z.boolean() }),
    {
      sku: 'SMALL-TABLE',
      events: [
        {
          id: 'allocation.commands/0/7',
          type: 'Allocated',
          at: '2026-11-28T09:00:00.012Z',
          sequence: 2,
          place: 'allocation.events/1/3',
          data: { orderid: 'order-1', sku: 'SMALL-TABLE', qty: 2, batchref: 'batch-1' },
        },
      ],
      hasMoreEvents: true,
    },
    '/products/SMALL-TABLE/history?after=2!a.b',
  ),
  problems: SEARCH_PROBLEMS,
};
