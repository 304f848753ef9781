import { z } from 'zod';
import { listedBatch, listedOrder, listedProduct } from '../../../views/listings.ts';
import { nameCursor, nameParameter, pageLimit } from '../query-schemas.ts';
import type { Operation } from './operation.ts';
import { conditionalHeaders, pageAnswers, READ_PROBLEMS } from './stock-operations.ts';

/**
 * Makes the parameters of a listing. An index serves each sort. `search` goes with the sorts by
 * name, because only their index finds the beginning of a name.
 */
function listingQuery<const Sort extends string>(
  sorts: readonly [byName: Sort, backwards: Sort, ...others: Sort[]],
) {
  const [byName, backwards] = sorts;
  return z
    .object({
      search: nameParameter.optional().describe(`how the ${byName} begins; case matters`),
      sort: z
        .enum(sorts, `must be one of: ${sorts.join(', ')}`)
        .default(byName as never)
        .describe('the order of the listing; with `-`, backwards'),
      limit: pageLimit,
      after: nameCursor,
    })
    .superRefine(({ search, sort, after }, context) => {
      if (search === undefined) return;
      if (sort !== byName && sort !== backwards) {
        const message = `must be ${byName} or ${backwards} together with search`;
        context.addIssue({ code: 'custom', path: ['sort'], message });
      }
      if (after !== undefined && !after.startsWith(search)) {
        const message = 'must come from the link of a page with the same search';
        context.addIssue({ code: 'custom', path: ['after'], message });
      }
    });
}

const batch = { reference: 'batch-1', quantity: 20, availableQuantity: 18, eta: null };

/** The routes that list names, by their path. */
export const LISTING_OPERATIONS = {
  '/products': {
    id: 'listProducts',
    tag: 'stock',
    summary: 'All products',
    query: listingQuery(['sku', '-sku']),
    headers: conditionalHeaders,
    answers: pageAnswers(
      z.object({ products: z.array(listedProduct), hasMoreProducts: z.boolean() }),
      { products: [{ sku: 'SMALL-TABLE', version: 2 }], hasMoreProducts: false },
      '/products?limit=1&after=SMALL-TABLE',
    ),
    problems: READ_PROBLEMS,
  },
  '/batches': {
    id: 'listBatches',
    tag: 'stock',
    summary: 'All batches',
    description: 'With `sort=-created`, the newest batch comes first.',
    query: listingQuery(['reference', '-reference', 'created', '-created']),
    headers: conditionalHeaders,
    answers: pageAnswers(
      z.object({ batches: z.array(listedBatch), hasMoreBatches: z.boolean() }),
      { batches: [{ ...batch, sku: 'SMALL-TABLE' }], hasMoreBatches: false },
      '/batches?limit=1&after=batch-1',
    ),
    problems: READ_PROBLEMS,
  },
  '/orders': {
    id: 'listOrders',
    tag: 'stock',
    summary: 'All orders that have allocated lines',
    query: listingQuery(['orderid', '-orderid']),
    headers: conditionalHeaders,
    answers: pageAnswers(
      z.object({ orders: z.array(listedOrder), hasMoreOrders: z.boolean() }),
      { orders: [{ orderid: 'order-1' }], hasMoreOrders: false },
      '/orders?limit=1&after=order-1',
    ),
    problems: READ_PROBLEMS,
  },
} satisfies Readonly<Record<string, Operation>>;
