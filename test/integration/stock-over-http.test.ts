// @module-tag db

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RunningService } from '../support/running-service.ts';

describe('the HTTP API', () => {
  let running: RunningService;
  let url: string;

  beforeAll(async () => {
    running = await RunningService.start({});
    url = running.service.http.url ?? '';
  });

  afterAll(async () => running[Symbol.asyncDispose]());

  const get = (path: string) => fetch(`${url}${path}`);

  it('answers questions about orders and products, whatever their names', async () => {
    const sku = `a/b%2F ${'🪑'.repeat(200)}`;
    await running.send({
      type: 'CreateBatch',
      reference: 'due',
      sku,
      quantity: 9,
      eta: '2027-05-01',
    });
    await running.idle();
    await running.send({ type: 'CreateBatch', reference: 'here', sku, quantity: 9, eta: null });
    await running.idle();
    await running.send({ type: 'AllocateOrder', orderid: 'order/1', sku, qty: 2 });
    await running.idle();
    expect(await (await get(`/allocations/${encodeURIComponent('order/1')}`)).json()).toEqual([
      { sku, qty: 2, batchref: 'here' },
    ]);
    expect(await (await get(`/products/${encodeURIComponent(sku)}`)).json()).toEqual({
      sku,
      version: 3,
      batches: [
        { reference: 'here', quantity: 9, availableQuantity: 7, eta: null },
        { reference: 'due', quantity: 9, availableQuantity: 9, eta: '2027-05-01' },
      ],
      hasMoreBatches: false,
    });
    expect((await get('/allocations/nobody')).status).toBe(404);
    expect((await get('/products/nothing')).status).toBe(404);
  });

  describe('answers with a batch and its lines, oldest first', () => {
    const maxLines = 1_000;

    it('all of them, when there are at most 1,000', async () => {
      const [reference, sku] = ['batch/lines', 'LINES'];
      await running.send({ type: 'CreateBatch', reference, sku, quantity: 9, eta: '2027-05-01' });
      await running.idle();
      for (const orderid of ['z', 'a']) {
        await running.send({ type: 'AllocateOrder', orderid, sku, qty: 2 });
        await running.idle();
      }
      expect(await (await get(`/batches/${encodeURIComponent(reference)}`)).json()).toEqual({
        reference,
        sku,
        quantity: 9,
        availableQuantity: 5,
        eta: '2027-05-01',
        lines: [
          { orderid: 'z', qty: 2 },
          { orderid: 'a', qty: 2 },
        ],
        hasMoreLines: false,
      });
    });

    it('only 1,000 of 1,001, and says so', async () => {
      const [reference, sku] = ['full', 'FULL'];
      const order = (n: number) => ({ type: 'AllocateOrder', orderid: `full-${n}`, sku, qty: 1 });
      const orders = Array.from({ length: maxLines }, (_, n) => order(n + 1));
      await running.send({ type: 'CreateBatch', reference, sku, quantity: 2_000 });
      await running.idle();
      await running.send(order(0));
      await running.idle();
      await running.send(...orders);
      await running.idle();
      const batch = (await (await get('/batches/full')).json()) as { lines: readonly object[] };
      expect(batch).toMatchObject({ availableQuantity: 999, hasMoreLines: true });
      expect(batch.lines).toHaveLength(maxLines);
      expect(batch.lines[0]).toEqual({ orderid: 'full-0', qty: 1 });
    });

    it.each(['nothing', '%00'])('404 for %s, which is no batch', async (reference) => {
      const answer = await get(`/batches/${reference}`);
      expect(answer.status).toBe(404);
      expect(answer.headers.get('content-type')).toBe('application/problem+json');
    });
  });

  describe('answers with an order and its lines, by sku', () => {
    const orderWith = async (orderid: string, skus: readonly string[]) => {
      await running.send(
        ...skus.map((sku) => ({
          type: 'CreateBatch',
          reference: `of-${orderid}-${sku}`,
          sku,
          quantity: 1,
        })),
      );
      await running.idle();
      for (let from = 0; from < skus.length; from += 500) {
        const lines = skus.slice(from, from + 500).map((sku) => ({ sku, qty: 1 }));
        await running.send({ type: 'AllocateOrder', orderid, lines });
        await running.idle();
      }
    };

    it('all of them, when there are at most 1,000', async () => {
      await orderWith('order/two', ['TWO', 'TWICE']);
      expect(await (await get(`/orders/${encodeURIComponent('order/two')}`)).json()).toEqual({
        orderid: 'order/two',
        lines: [
          { sku: 'TWICE', qty: 1 },
          { sku: 'TWO', qty: 1 },
        ],
        hasMoreLines: false,
      });
    });

    it('only 1,000 of 1,001, and says so', async () => {
      await orderWith(
        'long',
        Array.from({ length: 1_001 }, (_, n) => `LONG-${n}`),
      );
      const answer = await get('/orders/long');
      const order = (await answer.json()) as { lines: readonly object[] };
      expect(order).toMatchObject({ orderid: 'long', hasMoreLines: true });
      expect(order.lines).toHaveLength(1_000);
      const [, next = ''] = /^<(.+)>; rel="next"$/.exec(answer.headers.get('link') ?? '') ?? [];
      const rest = await get(next);
      expect([await rest.json(), rest.headers.get('link')]).toEqual([
        { orderid: 'long', lines: [{ sku: 'LONG-999', qty: 1 }], hasMoreLines: false },
        null,
      ]);
      expect(await (await get(next.replace('orders', 'allocations'))).json()).toEqual([
        { sku: 'LONG-999', qty: 1, batchref: 'of-long-LONG-999' },
      ]);
    });

    it.each(['nobody', '%00'])('404 for %s, which has no line', async (orderid) => {
      expect((await get(`/orders/${orderid}`)).status).toBe(404);
    });
  });

  it('answers with a product and its batches, 1,000 at a time, in the order of stock', async () => {
    const batch = (n: number) => {
      const eta = n % 2 === 0 ? null : `2027-01-${String(10 + (n % 20)).padStart(2, '0')}`;
      return { type: 'CreateBatch', reference: `of-many-${n}`, sku: 'MANY', quantity: 1, eta };
    };
    await running.send(...Array.from({ length: 1_001 }, (_, n) => batch(n)));
    await running.idle();
    const pages: { reference: string; eta: string | null }[] = [];
    for (let next = '/products/MANY'; next !== ''; ) {
      const answer = await get(next);
      const { batches } = (await answer.json()) as { batches: typeof pages };
      expect(batches.length).toBeLessThanOrEqual(1_000);
      pages.push(...batches);
      [, next = ''] = /^<(.+)>; rel="next"$/.exec(answer.headers.get('link') ?? '') ?? [];
    }
    expect(new Set(pages.map(({ reference }) => reference)).size).toBe(1_001);
    const etas = pages.map(({ eta }) => eta ?? '');
    expect(etas).toEqual([...etas].sort());
    expect(await (await get('/products/MANY?after=of-no-batch')).json()).toMatchObject({
      sku: 'MANY',
      version: 1_001,
      batches: [],
      hasMoreBatches: false,
    });
  }, 60_000);
});
