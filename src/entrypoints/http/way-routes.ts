import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyReply } from 'fastify';
import { NAME } from '../../messages/cloud-events.ts';
import { OrderWays } from '../../order-way/order-ways.ts';
import { ProductHistories } from '../../order-way/product-histories.ts';
import { inOrder } from '../../order-way/step-order.ts';
import type { SearchControl } from '../../order-way/tracks.ts';
import type { OrderWaysOptions } from '../../order-way/way-search.ts';
import { readOrder } from '../../views/order-view.ts';
import type { Query } from '../../views/query.ts';
import { GET_ORDER_WAY, GET_PRODUCT_HISTORY } from './openapi/way-operations.ts';
import { answerPage } from './pages.ts';
import { answerProblem, PROBLEMS } from './problem.ts';
import { ReadIntake } from './read-intake.ts';
import type { Route } from './routes.ts';

/** How long one request searches. People accept this delay, and the next request goes on. */
const SEARCH_MS = 1_000;
/** How many searches wait for their turn. One at a time reads, for the sake of the lanes. */
const MAX_WAITING_SEARCHES = 8;
/** How many skus of an order guide the search. More skus lead to most partitions anyway. */
const MAX_SKUS = 20;

/** The routes that tell what happened to one order, or to one product. */
export function wayRoutes(options: OrderWaysOptions, query: Query): readonly Route[] {
  const ways = new OrderWays(options);
  const histories = new ProductHistories(options);
  const searches = new ReadIntake(MAX_WAITING_SEARCHES);
  const admit: Route['onRequest'] = (request, reply) => searches.admit(request, reply);
  return [
    {
      method: 'GET',
      url: '/orders/:orderid/way',
      access: 'read',
      operation: GET_ORDER_WAY,
      onRequest: admit,
      handler: async ({ params: { orderid = '' }, query: asked }, reply) => {
        const { after = '' } = asked as { readonly after?: string };
        if (!NAME.test(orderid)) return answerProblem(reply, noName('orderid'));
        const skus = await skusOf(orderid, query);
        const { steps, cursor, searchedUntil } = await ways.search(
          orderid,
          skus,
          after,
          paceOf(reply),
        );
        const isComplete = cursor === null;
        const next = isComplete
          ? null
          : `/orders/${encodeURIComponent(orderid)}/way?after=${cursor}`;
        if (next !== null) reply.header('link', `<${next}>; rel="next"`);
        return reply.send({ orderid, isComplete, next, searchedUntil, steps: inOrder(steps) });
      },
    },
    {
      method: 'GET',
      url: '/products/:sku/history',
      access: 'read',
      operation: GET_PRODUCT_HISTORY,
      onRequest: admit,
      handler: async (request, reply) => {
        const { sku = '' } = request.params;
        const { after = '' } = request.query as { readonly after?: string };
        if (!NAME.test(sku)) return answerProblem(reply, noName('sku'));
        const { events, cursor } = await histories.page(sku, after, paceOf(reply));
        const view = { sku, events, hasMoreEvents: cursor !== null };
        const path = `/products/${encodeURIComponent(sku)}/history`;
        return answerPage(request, reply, path, { view, next: cursor });
      },
    },
  ];
}

/** Refuses what no command can have as a name, instead of searching all topics for it. */
const noName = (parameter: string) =>
  PROBLEMS.invalidParameter(parameter, 'must be 1 to 255 characters without control characters');

/** Returns the products of an order. They tell only where to search first. */
async function skusOf(orderid: string, query: Query): Promise<readonly string[]> {
  // Without the database, the search finds the same.
  const { lines } = await readOrder(orderid, query).catch(() => ({ lines: [] }));
  return lines.slice(0, MAX_SKUS).map(({ sku }) => sku);
}

/** Lets a search read half of the time, until its time is up or its client is gone. */
function paceOf({ raw }: FastifyReply): SearchControl {
  const untilMs = performance.now() + SEARCH_MS;
  let isGone = false;
  raw.once('close', () => {
    isGone = true;
  });
  return {
    isTimeUp: () => isGone || performance.now() > untilMs,
    rest: (tookMs) => sleep(Math.min(tookMs, SEARCH_MS)),
  };
}
