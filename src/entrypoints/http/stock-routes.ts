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

/** The routes that answer questions about orders, products and batches. */
export function stockRoutes(query: Query, readStock: ReadStock): readonly Route[] {
  const reads = new ReadIntake();
  const onRequest = reads.admit.bind(reads);
  return [
    {
      method: 'GET',
      url: '/allocations/:id',
      access: 'read',
      onRequest,
      handler: async (request, reply) => {
        const { id } = request.params;
        // No command can have an invalid name, and databases fail on NUL. So do not ask them.
        if (!NAME.test(id)) return answerProblem(reply, PROBLEMS.unknownOrder(id));
        const after = pageAfter(request);
        const { items, next } = await allocationsOf(id, query, after);
        if (items.length === 0 && after === '')
          return answerProblem(reply, PROBLEMS.unknownOrder(id));
        linkNext(reply, `/allocations/${encodeURIComponent(id)}`, next);
        return items;
      },
    },
    {
      method: 'GET',
      url: '/products/:id',
      access: 'read',
      onRequest,
      handler: async (request, reply) => {
        const { id } = request.params;
        if (!NAME.test(id)) return answerProblem(reply, PROBLEMS.unknownProduct(id));
        const product = await productView(id, query, pageAfter(request) || null);
        if (product === null) return answerProblem(reply, PROBLEMS.unknownProduct(id));
        const { next, ...view } = product;
        linkNext(reply, `/products/${encodeURIComponent(id)}`, next);
        return view;
      },
    },
    {
      method: 'GET',
      url: '/batches/:id',
      access: 'read',
      onRequest,
      handler: async ({ params: { id } }, reply) => {
        const batch = NAME.test(id) ? await batchView(id, readStock) : null;
        return batch ?? answerProblem(reply, PROBLEMS.unknownBatch(id));
      },
    },
    {
      method: 'GET',
      url: '/orders/:id',
      access: 'read',
      onRequest,
      handler: async (request, reply) => {
        const { id } = request.params;
        if (!NAME.test(id)) return answerProblem(reply, PROBLEMS.unknownOrder(id));
        const after = pageAfter(request);
        const { next, ...view } = await orderView(id, readStock, after);
        if (view.lines.length === 0 && after === '')
          return answerProblem(reply, PROBLEMS.unknownOrder(id));
        linkNext(reply, `/orders/${encodeURIComponent(id)}`, next);
        return view;
      },
    },
  ];
}
