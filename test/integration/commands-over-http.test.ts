// @module-tag db

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { badMessages } from '../support/bad-messages.ts';
import { eventually } from '../support/eventually.ts';
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
});
