import { NAME } from '../../messages/cloud-events.ts';
import {
  allocationsOf,
  batchView,
  orderView,
  productView,
  type Query,
  type ReadStock,
} from '../../views.ts';
import { linkNext, pageAfter } from './pages.ts';
import { answerProblem, PROBLEMS } from './problem.ts';
import { ReadIntake } from './read-intake.ts';
import type { Route } from './routes.ts';

/** What a route answers about one name. */
interface Answer {
  readonly view: unknown;
  /** The name behind which the next page begins. Null: this page is the last. */
  readonly next: string | null;
}

/** A route that answers about one name: its path, its problem and its read. */
interface Question {
  readonly path: '/allocations' | '/products' | '/batches' | '/orders';
  /** Makes the problem for an unknown name. */
  readonly unknown: (typeof PROBLEMS)['unknownOrder'];
  /**
   * Reads one page. Null: the name is unknown.
   *
   * @param after the name behind which the page begins; empty: the first page
   */
  readonly read: (id: string, after: string) => Promise<Answer | null>;
}

/** The routes that answer questions about orders, products and batches. */
export function stockRoutes(query: Query, readStock: ReadStock): readonly Route[] {
  const reads = new ReadIntake();
  const onRequest = reads.admit.bind(reads);
  return questions(query, readStock).map(
    ({ path, unknown, read }): Route => ({
      method: 'GET',
      url: `${path}/:id`,
      access: 'read',
      onRequest,
      handler: async (request, reply) => {
        const { id } = request.params;
        // No command can have an invalid name, and databases fail on NUL. So do not ask them.
        const answer = NAME.test(id) ? await read(id, pageAfter(request)) : null;
        if (answer === null) return answerProblem(reply, unknown(id));
        linkNext(reply, `${path}/${encodeURIComponent(id)}`, answer.next);
        return answer.view;
      },
    }),
  );
}

function questions(query: Query, readStock: ReadStock): readonly Question[] {
  return [
    {
      path: '/allocations',
      unknown: PROBLEMS.unknownOrder,
      read: async (orderid, after) => {
        const { items, next } = await allocationsOf(orderid, query, after);
        return items.length === 0 && after === '' ? null : { view: items, next };
      },
    },
    {
      path: '/products',
      unknown: PROBLEMS.unknownProduct,
      read: async (sku, after) => {
        const product = await productView(sku, query, after || null);
        if (product === null) return null;
        const { next, ...view } = product;
        return { view, next };
      },
    },
    {
      path: '/batches',
      unknown: PROBLEMS.unknownBatch,
      read: async (reference) => {
        const view = await batchView(reference, readStock);
        return view && { view, next: null };
      },
    },
    {
      path: '/orders',
      unknown: PROBLEMS.unknownOrder,
      read: async (orderid, after) => {
        const { next, ...view } = await orderView(orderid, readStock, after);
        return view.lines.length === 0 && after === '' ? null : { view, next };
      },
    },
  ];
}
