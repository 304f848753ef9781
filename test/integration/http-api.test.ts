// @module-tag db

import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Database } from '../../src/adapters/database/database.ts';
import { badMessages } from '../support/bad-messages.ts';
import { eventually } from '../support/eventually.ts';
import { lockFromAnotherProcess } from '../support/lock.ts';
import { RunningService } from '../support/running-service.ts';

const JSON_TYPE = { 'content-type': 'application/json' };

describe('the HTTP API', () => {
  let running: RunningService;
  let url: string;

  beforeAll(async () => {
    running = await RunningService.start({});
    url = running.service.http.url ?? '';
  });

  afterAll(async () => running[Symbol.asyncDispose]());

  const post = (body: string | Buffer, headers: Record<string, string> = JSON_TYPE) =>
    fetch(`${url}/commands`, { method: 'POST', body: body as string, headers });
  const get = (path: string) => fetch(`${url}${path}`);

  describe('takes a command', () => {
    it('as plain JSON, and says where it is', async () => {
      const answer = await post(
        '{"type":"CreateBatch","reference":"plain","sku":"PLAIN","quantity":5}',
      );
      expect(answer.status).toBe(202);
      const { id, topic, partition, offset } = (await answer.json()) as Record<string, unknown>;
      expect({ id, topic }).toEqual({
        id: `${running.config.commandsTopic}/${partition}/${offset}`,
        topic: running.config.commandsTopic,
      });
      await eventually(async () =>
        expect(await (await get('/products/PLAIN')).json()).toMatchObject({ version: 1 }),
      );
    });

    it('into one partition, in the order of acceptance, whatever it is about', async () => {
      const bodies = [
        { type: 'CreateBatch', reference: 'one', sku: 'ONE', quantity: 5 },
        { type: 'ChangeBatchQuantity', reference: 'one', quantity: 6 },
        {
          type: 'AllocateOrder',
          orderid: 'order',
          lines: ['ONE', 'PLAIN'].map((sku) => ({ sku, qty: 1 })),
        },
        { type: 'DeallocateOrder', orderid: 'order' },
      ];
      const places: { partition: number; offset: number }[] = [];
      for (const body of bodies)
        places.push((await (await post(JSON.stringify(body))).json()) as (typeof places)[number]);
      const first = places[0]?.offset ?? 0;
      expect(places).toMatchObject(
        bodies.map((_, index) => ({ partition: 0, offset: first + index })),
      );
    });

    it('as a CloudEvent in binary mode, percent-encoded attributes and all', async () => {
      const headers = {
        ...JSON_TYPE,
        'ce-specversion': '1.0',
        'ce-id': 'caf%C3%A9',
        'ce-source': '/shop',
        'ce-type': 'CreateBatch',
      };
      const answer = await post('{"reference":"binary","sku":"BINARY","quantity":5}', {
        ...headers,
        'ce-correlationid': 'session',
      });
      expect(await answer.json()).toMatchObject({ id: 'café' });
      await eventually(() => {
        const event = running.events.find(({ headers }) => String(headers.ce_subject) === 'BINARY');
        expect([
          String(event?.headers.ce_causationid),
          String(event?.headers.ce_correlationid),
        ]).toEqual(['café', 'session']);
      });
    });

    it('as a CloudEvent in structured mode', async () => {
      const data = { reference: 'structured', sku: 'STRUCTURED', quantity: 5 };
      const event = {
        specversion: '1.0',
        id: 'structured-1',
        source: '/shop',
        type: 'CreateBatch',
        data,
      };
      const answer = await post(JSON.stringify(event), {
        'content-type': 'application/cloudevents+json; charset=utf-8',
      });
      expect(await answer.json()).toMatchObject({ id: 'structured-1' });
    });
  });

  describe('refuses', () => {
    it.each([
      ['text that is no JSON', 'allocate', 'JSON'],
      ['an empty body', '', 'empty'],
      ['JSON of another shape', '[]', 'object'],
      ['an unknown type', '{"type":"ShipOrder"}', 'ShipOrder'],
      [
        'a date that does not exist',
        '{"type":"CreateBatch","reference":"r","sku":"S","quantity":1,"eta":"2026-02-30"}',
        'eta',
      ],
    ])('%s with 400 and the reason', async (_, body, word) => {
      const answer = await post(body);
      expect([answer.status, answer.headers.get('content-type')]).toEqual([
        400,
        'application/problem+json',
      ]);
      expect(await answer.json()).toMatchObject({
        status: 400,
        title: 'Bad Request',
        detail: expect.stringContaining(word),
      });
    });

    it.each(badMessages)('%s, as the dead letters would', async (_, message, reason, word) => {
      const record =
        'value' in message
          ? (message as { value: Buffer | string | null; headers?: Record<string, string> })
          : null;
      const headers = Object.entries({ ...JSON_TYPE, ...record?.headers }).map(([name, value]) => [
        name.replace('ce_', 'ce-'),
        value,
      ]);
      const answer = await post(
        record ? (record.value ?? '') : JSON.stringify(message),
        Object.fromEntries(headers),
      );
      expect(answer.status).toBe(reason === 'too-large' ? 413 : 400);
      // To HTTP, a tombstone is an empty body.
      expect(await answer.json()).toMatchObject({
        detail: expect.stringContaining(word === 'tombstone' ? 'empty' : word),
      });
    });

    it.each(['/allocation/dead-letters', '/allocation/dead-letters#00'])(
      'a CloudEvent of the source %s',
      async (source) => {
        const headers = {
          ...JSON_TYPE,
          'ce-specversion': '1.0',
          'ce-id': 'commands/0/4',
          'ce-source': source,
          'ce-type': 'CreateBatch',
        };
        const answer = await post('{"reference":"forged","sku":"FORGED","quantity":5}', headers);
        expect([answer.status, await answer.json()]).toEqual([
          400,
          expect.objectContaining({ detail: expect.stringContaining(source) }),
        ]);
      },
    );

    it('invalid UTF-8 with 400', async () => {
      expect((await post(Buffer.from([0x7b, 0xff, 0x7d]))).status).toBe(400);
    });

    it('wrong fields with 400, naming every one', async () => {
      const answer = await post('{"type":"AllocateOrder","orderid":"","sku":7,"qty":0}');
      expect(await answer.json()).toMatchObject({
        errors: [{ field: 'orderid' }, { field: 'sku' }, { field: 'qty' }],
      });
    });

    it('a command over 1 MiB with 413', async () => {
      const answer = await post(' '.repeat(1024 * 1024 + 1));
      expect([answer.status, answer.headers.get('content-type')]).toEqual([
        413,
        'application/problem+json',
      ]);
    });

    it('another content type with 415, also one that is missing', async () => {
      expect((await post('{}', { 'content-type': 'text/plain' })).status).toBe(415);
      expect((await post(Buffer.from('{}'), {})).status).toBe(415);
    });

    it('an address that is malformed with 400, and one that is not there with 404', async () => {
      expect((await get('/products/%zz')).status).toBe(400);
      expect((await get('/nowhere')).status).toBe(404);
    });
  });

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

  it('streams live events to everybody who listens, and outlives those who leave', async () => {
    const [leaver, stayer] = [new AbortController(), new AbortController()];
    const streams = await Promise.all(
      [leaver, stayer].map(({ signal }) => fetch(`${url}/events`, { signal })),
    );
    expect(streams.map(({ headers }) => headers.get('content-type'))).toEqual([
      'text/event-stream; charset=utf-8',
      'text/event-stream; charset=utf-8',
    ]);
    leaver.abort();
    await running.send({ type: 'CreateBatch', reference: 'live', sku: 'LIVE', quantity: 1 });
    let text = '';
    for await (const chunk of streams[1]?.body ?? []) {
      text += Buffer.from(chunk).toString();
      if (text.includes('LIVE')) break;
    }
    const [, data = ''] = /^data: (.*)$/m.exec(text) ?? [];
    expect(text).toMatch(/^event: BatchCreated$/m);
    expect(JSON.parse(data)).toMatchObject({
      specversion: '1.0',
      type: 'BatchCreated',
      subject: 'LIVE',
      data: { reference: 'live' },
    });
  });

  it('is alive, ready, and counts', async () => {
    expect((await get('/healthz')).status).toBe(200);
    expect(await (await get('/readyz')).json()).toEqual({ status: 'ready', problems: [] });
    const text = await (await get('/metrics')).text();
    expect(text).toMatch(/^allocation_events_total\{type="BatchCreated"\} \d+$/m);
    expect(text).toMatch(/^allocation_lanes\{state="working"\} 2$/m);
  });

  it('is reached at localhost when it listens on all interfaces, and says both', async () => {
    await using other = await RunningService.start({ HTTP_HOST: '0.0.0.0', HTTP_AUTH: 'none' });
    const { url: address } = other.service.http;
    expect(address).toMatch(/^http:\/\/localhost:\d+$/);
    expect((await fetch(`${address}/healthz`)).status).toBe(200);
    expect(other.log.map(({ msg }) => msg)).toContain(
      `The HTTP API listens on ${address}, and on all interfaces`,
    );
  });

  it('says which process works while this one stands by, and is ready', async () => {
    const database = await Database.open('sqlite:///:memory:');
    await database.runMigrations();
    await database.query(
      `insert into log_group_leases (group_id, topic, member_id, leased_until_ms)
       values ('standby', 'standby-commands', 'member/4711', ?)`,
      [Date.now() + 3_600_000],
    );
    await using other = await RunningService.start({
      DATABASE_URL: 'sqlite:///:memory:',
      KAFKA_GROUP_ID: 'standby',
      COMMANDS_TOPIC: 'standby-commands',
    });
    const standby = 'Standing by: process 4711 works on this file';
    const readiness = async () => {
      const answer = await fetch(`${other.service.http.url}/readyz`);
      return { code: answer.status, ...((await answer.json()) as object) };
    };
    const ready = { code: 200, status: 'ready', problems: [] };
    expect(await readiness()).toEqual({ ...ready, standby });
    expect(other.log.map(({ msg }) => msg)).toContain(standby);
    // Nobody renews that lease.
    await eventually(async () => expect(await readiness()).toEqual(ready), { withinMs: 30_000 });
  });

  it('says 503, and when to try again, while the log cannot take a command', async () => {
    await using other = await RunningService.start({});
    const command = {
      method: 'POST',
      body: '{"type":"DeallocateOrder","orderid":"o"}',
      headers: JSON_TYPE,
    };
    const unlock = await lockFromAnotherProcess(other.config.databaseUrl.replace('sqlite:///', ''));
    const refused = await fetch(`${other.service.http.url}/commands`, command);
    await unlock();
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '2']);
    expect((await fetch(`${other.service.http.url}/commands`, command)).status).toBe(202);
  });

  it('stops although a client still listens', async () => {
    const other = await RunningService.start({});
    const client = request(`${other.service.http.url}/events`).on('error', () => {});
    const ended = new Promise((resolve) => client.once('close', resolve));
    client.end();
    await new Promise((resolve) =>
      client.once('response', (response) => resolve(response.resume().on('error', () => {}))),
    );
    await other[Symbol.asyncDispose]();
    await ended;
  });
});
