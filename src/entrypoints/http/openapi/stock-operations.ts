import { z } from 'zod';
import { batchView } from '../../../views/batch-view.ts';
import { allocationView, orderView } from '../../../views/order-view.ts';
import { productView } from '../../../views/product-view.ts';
import { nameCursor, nameParameter } from '../query-schemas.ts';
import type { Operation, RouteAnswer } from './operation.ts';
import type { OwnProblem } from './problem-responses.ts';

/** The problems of every route that asks the database. */
export const READ_PROBLEMS = ['invalidParameter', 'unknownParameter', 'manyReads'] as const;

/** The header with which a client asks again (RFC 9110). */
export const conditionalHeaders = z.object({
  'if-none-match': z
    .string()
    .optional()
    .describe('the `ETag` of a former answer: the answer is 304 if nothing has changed'),
});

/** Describes the answers of a route with pages. */
export function pageAnswers(schema: z.ZodType, example: unknown, link: string) {
  const etag = {
    description: 'names this state of the page',
    type: 'string',
    example: '"kQnK3Y6yTqcN0v7nVq0oJm7v5cJ1m3nq3rU5xQ0mVwE"',
  } as const;
  const next = {
    description: 'the next page, `rel="next"` (RFC 8288); absent: this page is the last',
    type: 'string',
    example: `<${link}>; rel="next"`,
  } as const;
  const page: RouteAnswer = {
    description: 'One page, of at most 1,000',
    headers: { etag, link: next },
    content: { 'application/json': { schema, examples: { page: example } } },
  };
  const same: RouteAnswer = {
    description: 'Nothing has changed since the answer that `If-None-Match` names',
    headers: { etag, link: next },
  };
  return { 200: page, 304: same };
}

const pageQuery = { after: nameCursor };
/** The cursor of a page of lines: a number, because a line of a batch has no name. */
const lineCursor = z
  .string('must be given once')
  .regex(/^\d{1,15}$/, 'must be a number: take it from the header Link of a page')
  .optional()
  .describe('the cursor behind which the page begins: take it from the header Link of a page');

const problemsBesides = (unknown: OwnProblem): readonly OwnProblem[] => [
  ...READ_PROBLEMS,
  'longName',
  unknown,
];

const batch = { reference: 'batch-1', quantity: 20, availableQuantity: 18, eta: null };

/** The routes that answer about one name, by their path. */
export const STOCK_OPERATIONS = {
  '/allocations': {
    id: 'getAllocations',
    tag: 'stock',
    summary: 'The allocated lines of an order, by sku, with their batches',
    params: z.object({ orderid: nameParameter }),
    query: z.object(pageQuery),
    headers: conditionalHeaders,
    answers: pageAnswers(
      z.array(allocationView),
      [{ sku: 'SMALL-TABLE', qty: 2, batchref: 'batch-1' }],
      '/allocations/order-1?after=SMALL-TABLE',
    ),
    problems: problemsBesides('unknownOrder'),
  },
  '/products': {
    id: 'getProduct',
    tag: 'stock',
    summary: 'A product with its batches, in the order in which stock is allocated',
    params: z.object({ sku: nameParameter }),
    query: z.object(pageQuery),
    headers: conditionalHeaders,
    answers: pageAnswers(
      productView,
      { sku: 'SMALL-TABLE', version: 2, batches: [batch], hasMoreBatches: false },
      '/products/SMALL-TABLE?after=batch-1',
    ),
    problems: problemsBesides('unknownProduct'),
  },
  '/batches': {
    id: 'getBatch',
    tag: 'stock',
    summary: 'A batch with its allocated lines, the oldest first',
    params: z.object({ reference: nameParameter }),
    query: z.object({ after: lineCursor }),
    headers: conditionalHeaders,
    answers: pageAnswers(
      batchView,
      {
        ...batch,
        sku: 'SMALL-TABLE',
        lines: [{ orderid: 'order-1', qty: 2 }],
        hasMoreLines: false,
      },
      '/batches/batch-1?after=1000',
    ),
    problems: problemsBesides('unknownBatch'),
  },
  '/orders': {
    id: 'getOrder',
    tag: 'stock',
    summary: 'An order with its allocated lines, by sku',
    params: z.object({ orderid: nameParameter }),
    query: z.object(pageQuery),
    headers: conditionalHeaders,
    answers: pageAnswers(
      orderView,
      { orderid: 'order-1', lines: [{ sku: 'SMALL-TABLE', qty: 2 }], hasMoreLines: false },
      '/orders/order-1?after=SMALL-TABLE',
    ),
    problems: problemsBesides('unknownOrder'),
  },
} satisfies Readonly<Record<string, Operation>>;
