import type { z } from 'zod';
import { NAME } from '../../messages/cloud-events.ts';
import { readBatch } from '../../views/batch-view.ts';
import { readAllocations, readOrder } from '../../views/order-view.ts';
import { readProduct } from '../../views/product-view.ts';
import type { Query } from '../../views/query.ts';
import { STOCK_OPERATIONS } from './openapi/stock-operations.ts';
import { type AnsweredPage, answerPage } from './pages.ts';
import { answerProblem, PROBLEMS } from './problem.ts';
import type { ReadIntake } from './read-intake.ts';
import type { Route } from './routes.ts';

/** A route that answers about one name: its path, its problem and its read. */
interface Question {
  readonly path: keyof typeof STOCK_OPERATIONS;
  /** Makes the problem for an unknown name. */
  readonly unknown: (typeof PROBLEMS)['unknownOrder'];
  /**
   * Reads one page. Null: the name is unknown.
   *
   * @param after the cursor behind which the page begins; empty: the first page
   */
  readonly read: (name: string, after: string) => Promise<AnsweredPage | null>;
}

/** The routes that answer questions about one order, product or batch. */
export function stockRoutes(query: Query, reads: ReadIntake): readonly Route[] {
  return questions(query).map(({ path, unknown, read }): Route => {
    const operation = STOCK_OPERATIONS[path];
    const [parameter = ''] = Object.keys(operation.params.shape);
    return {
      method: 'GET',
      url: `${path}/:${parameter}`,
      access: 'read',
      operation,
      onRequest: (request, reply) => reads.admit(request, reply),
      handler: async (request, reply) => {
        const name = request.params[parameter] ?? '';
        const { after = '' } = request.query as z.infer<typeof operation.query>;
        // No command can have an invalid name, and databases fail on NUL. So do not ask them.
        const page = NAME.test(name) ? await read(name, after) : null;
        if (page === null) return answerProblem(reply, unknown(name));
        return answerPage(request, reply, `${path}/${encodeURIComponent(name)}`, page);
      },
    };
  });
}

function questions(query: Query): readonly Question[] {
  return [
    {
      path: '/allocations',
      unknown: PROBLEMS.unknownOrder,
      read: async (orderid, after) => {
        const { items, next } = await readAllocations(orderid, query, after);
        return items.length === 0 && after === '' ? null : { view: items, next };
      },
    },
    {
      path: '/products',
      unknown: PROBLEMS.unknownProduct,
      read: async (sku, after) => pageOf(await readProduct(sku, query, after || null)),
    },
    {
      path: '/batches',
      unknown: PROBLEMS.unknownBatch,
      read: async (reference, after) => pageOf(await readBatch(reference, query, Number(after))),
    },
    {
      path: '/orders',
      unknown: PROBLEMS.unknownOrder,
      read: async (orderid, after) => {
        const order = await readOrder(orderid, query, after);
        return order.lines.length === 0 && after === '' ? null : pageOf(order);
      },
    },
  ];
}

/** Separates a view from its cursor. */
function pageOf<View extends { readonly next: string | null }>(
  found: View | null,
): AnsweredPage | null {
  if (found === null) return null;
  const { next, ...view } = found;
  return { view, next };
}
