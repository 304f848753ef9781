import type { ListingChoice } from '../../views/listing-range.ts';
import { listBatches, listBatchesByAge, listOrders, listProducts } from '../../views/listings.ts';
import type { Page } from '../../views/page.ts';
import type { Query } from '../../views/query.ts';
import { LISTING_OPERATIONS } from './openapi/listing-operations.ts';
import { answerPage } from './pages.ts';
import type { ReadIntake } from './read-intake.ts';
import type { Route } from './routes.ts';

/** The parameters of a listing, as its operation reads them. */
interface ListingQuery extends Omit<ListingChoice, 'isDescending'> {
  readonly sort: string;
}

/** A route that lists names. */
interface Listing {
  readonly path: keyof typeof LISTING_OPERATIONS;
  /** The members of the answer: the page, and whether the listing goes on. */
  readonly members: readonly [items: string, hasMore: string];
  readonly read: (choice: ListingChoice, sort: string) => Promise<Page<unknown>>;
}

/** The routes that list products, batches and orders. */
export function listingRoutes(query: Query, reads: ReadIntake): readonly Route[] {
  return listings(query).map(({ path, members: [items, hasMore], read }): Route => {
    return {
      method: 'GET',
      url: path,
      access: 'read',
      operation: LISTING_OPERATIONS[path],
      onRequest: (request, reply) => reads.admit(request, reply),
      handler: async (request, reply) => {
        const { sort, ...chosen } = request.query as ListingQuery;
        const page = await read({ ...chosen, isDescending: sort.startsWith('-') }, sort);
        const view = { [items]: page.items, [hasMore]: page.next !== null };
        return answerPage(request, reply, path, { view, next: page.next });
      },
    };
  });
}

function listings(query: Query): readonly Listing[] {
  return [
    {
      path: '/products',
      members: ['products', 'hasMoreProducts'],
      read: (choice) => listProducts(choice, query),
    },
    {
      path: '/batches',
      members: ['batches', 'hasMoreBatches'],
      read: (choice, sort) =>
        sort.endsWith('created') ? listBatchesByAge(choice, query) : listBatches(choice, query),
    },
    {
      path: '/orders',
      members: ['orders', 'hasMoreOrders'],
      read: (choice) => listOrders(choice, query),
    },
  ];
}
