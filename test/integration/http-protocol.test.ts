import { once } from 'node:events';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MessageTooLargeError } from '../../src/service-layer/errors.ts';
import type { LogRecord } from '../../src/service-layer/records.ts';
import { eventually } from '../support/eventually.ts';
import { connectTo, exchange, HttpApiAlone } from '../support/http-api-alone.ts';

const COMMAND = '{"type":"DeallocateOrder","orderid":"o"}';
const BINARY = 'ce-specversion: 1.0\r\nce-source: /shop\r\nce-type: DeallocateOrder\r\n';
const post = (headers: string, body = COMMAND) =>
  'POST /commands HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n' +
  `content-length: ${body.length}\r\n${headers}\r\n${body}`;
const UNFINISHED = post(
  'expect: 100-continue\r\ncontent-type: application/json\r\n',
  ' '.repeat(1_000),
).slice(0, -500);
const asJson = { method: 'POST', body: COMMAND, headers: { 'content-type': 'application/json' } };

/** Sends a raw request. @returns the status, the content type, and the body as JSON */
async function answerTo(running: HttpApiAlone, text: string) {
  const answer = await exchange(running.url, text);
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  return {
    status: Number(head.split(' ')[1]),
    type: /content-type: (.*)/i.exec(head)?.[1],
    body: JSON.parse(body || 'null'),
  };
}

describe('A command over HTTP', () => {
  let running: HttpApiAlone;
  let published: LogRecord[] = [];

  beforeAll(async () => {
    running = await HttpApiAlone.start({
      publish: async (_topic, records) => {
        published.push(...records);
        return records.map(() => ({ partition: 0, offset: 0 }));
      },
    });
  });

  beforeEach(() => {
    published = [];
  });

  afterAll(async () => running[Symbol.asyncDispose]());

  const headersOfTheRecord = () =>
    Object.fromEntries(
      Object.entries(published[0]?.headers ?? {}).map(([name, value]) => [name, String(value)]),
    );

  it('goes to the log byte for byte, with its key and the headers for Kafka', async () => {
    const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const body = ' {"orderid" : "o",\n"sku":"S"}';
    const headers =
      `${BINARY}ce-id: 7\r\nce-correlationid: c\r\nce-extra: e\r\n` +
      `traceparent: ${trace}\r\ncookie: secret\r\n`;
    expect(
      await answerTo(running, post(`content-type: application/json\r\n${headers}`, body)),
    ).toMatchObject({ status: 202 });
    expect(published).toMatchObject([{ key: 'S', value: Buffer.from(body) }]);
    expect(headersOfTheRecord()).toEqual({
      ce_specversion: '1.0',
      ce_source: '/shop',
      ce_type: 'DeallocateOrder',
      ce_id: '7',
      ce_correlationid: 'c',
      ce_extra: 'e',
      traceparent: trace,
      'content-type': 'application/json',
    });
  });

  it.each([
    ['percent-encoding', 'Euro%20%E2%82%AC%20%F0%9F%98%80', 'Euro € 😀'],
    ['percent-encoding, decoded once', '100%2525', '100%25'],
    ['quotes, as older senders write them', '"a \\"b\\" c"', 'a "b" c'],
    ['UTF-8 that is not escaped', Buffer.from('café').toString('latin1'), 'café'],
    ['a percent sign that encodes nothing', '100%', '100%'],
  ])('is accepted when its id has %s', async (_, written, id) => {
    const answer = await answerTo(
      running,
      post(`content-type: application/json\r\n${BINARY}ce-id: ${written}\r\n`, '{"orderid":"o"}'),
    );
    expect(answer).toMatchObject({ status: 202, body: { id } });
    expect(headersOfTheRecord().ce_id).toBe(id);
  });

  it.each([
    ['an id that came twice', 'ce-id: a\r\nce-id: b\r\n', 'ce_id came 2 times'],
    ['an id that is not UTF-8', 'ce-id: %ff\r\n', 'UTF-8'],
    ['an id with an encoded line end', 'ce-id: a%0Ab\r\n', 'id'],
    ['no id', '', 'id'],
  ])('with %s is refused and not published', async (_, header, word) => {
    const answer = await answerTo(
      running,
      post(`content-type: application/json\r\n${BINARY}${header}`),
    );
    expect(answer).toMatchObject({ status: 400, body: { detail: expect.stringContaining(word) } });
    expect(published).toEqual([]);
  });

  it.each([
    ['application/json; charset=utf-8', 202],
    ['Application/JSON', 202],
    ['application/jsonlines', 415],
    ['application/cloudevents+xml', 415],
    ['application/x-www-form-urlencoded', 415],
  ])('with the content type %s gets the status %i', async (type, status) => {
    expect(await answerTo(running, post(`content-type: ${type}\r\n`))).toMatchObject({ status });
  });

  it('that is compressed is refused with the name of the encoding', async () => {
    const answer = await answerTo(
      running,
      post('content-type: application/json\r\ncontent-encoding: gzip\r\n'),
    );
    expect(answer).toMatchObject({
      status: 415,
      body: { detail: expect.stringContaining('gzip') },
    });
  });

  it('that is too large is answered when its sender has sent the whole of it', async () => {
    const size = 8 * 1024 * 1024;
    const socket = connectTo(
      running.url,
      'POST /commands HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n' +
        `content-length: ${size}\r\n\r\n`,
    );
    // As many clients do: the whole request, and only then the answer.
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.write(Buffer.alloc(size, ' '), () => resolve());
    });
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1.1 413/);
    socket.destroy();
  });

  it('without a content length is stopped at 1 MiB', async () => {
    const body = new ReadableStream({
      pull: (controller) => controller.enqueue(Buffer.alloc(100_000, ' ')),
    });
    const answer = await fetch(`${running.url}/commands`, {
      ...asJson,
      body,
      duplex: 'half',
    } as RequestInit);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      413,
      'application/problem+json',
    ]);
  });

  it.each([
    [
      'another method',
      'GET /commands HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n',
      405,
    ],
    [
      'another method with a body',
      post('content-type: text/plain\r\n').replace('POST /commands', 'PUT /products/x'),
      405,
    ],
    ['a TRACE', 'TRACE /products/x HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n', 405],
    [
      'a POST to the stream',
      'POST /events HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n',
      405,
    ],
    [
      'an address that is malformed',
      'GET /products/%zz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n',
      400,
    ],
    [
      'a name that is far too long',
      `GET /products/${'x'.repeat(4_000)} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`,
      414,
    ],
    [
      'headers that are too large',
      `GET / HTTP/1.1\r\nhost: localhost\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`,
      431,
    ],
    ['text that is not HTTP', 'allocate, please\r\n\r\n', 400],
  ])('%s gets a problem as its answer', async (_, text, status) => {
    expect(await answerTo(running, text)).toMatchObject({
      status,
      type: 'application/problem+json',
      body: { status },
    });
  });

  it('a request with a wrong method gets the right ones, HEAD of the stream too', async () => {
    const answer = await fetch(`${running.url}/events`, { method: 'HEAD' });
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET']);
    expect(
      (await fetch(`${running.url}/products/x`, { method: 'DELETE' })).headers.get('allow'),
    ).toBe('GET, HEAD');
  });
});

describe('The HTTP API in trouble', () => {
  it('answers 413 with the limit of a topic that is below the limit of a command', async () => {
    const publish = async () => Promise.reject(new MessageTooLargeError('commands', 9, 8));
    await using running = await HttpApiAlone.start({ publish });
    const answer = await fetch(`${running.url}/commands`, asJson);
    expect([answer.status, ((await answer.json()) as { detail: string }).detail]).toEqual([
      413,
      expect.stringContaining('at most 8'),
    ]);
  });

  it('answers 500 to an unexpected error, and only logs the reason', async () => {
    await using running = await HttpApiAlone.start({
      publish: async () => Promise.reject(new Error('secret')),
    });
    const answer = await fetch(`${running.url}/commands`, asJson);
    expect([answer.status, await answer.text()]).toEqual([
      500,
      expect.not.stringContaining('secret'),
    ]);
    expect(running.log).toMatchObject([{ err: { message: 'secret' } }]);
  });

  it('is not ready when the log hangs, the database fails and a lane waits', async () => {
    const logId = () => new Promise<string>(() => {});
    const query = async () => Promise.reject(new Error('gone'));
    await using running = await HttpApiAlone.start(
      { logId },
      { query, problems: () => ['commands/3: waits'] },
    );
    const answer = await fetch(`${running.url}/readyz`);
    expect([answer.status, await answer.json()]).toEqual([
      503,
      {
        status: 'not ready',
        problems: [
          'The database cannot be reached: gone',
          expect.stringMatching(/^The log cannot be reached: no answer within 3 s/),
          'commands/3: waits',
        ],
      },
    ]);
  });

  it('answers 404 to an impossible name without asking the database', async () => {
    await using running = await HttpApiAlone.start(
      {},
      { query: async () => Promise.reject(new Error('asked')) },
    );
    for (const path of [
      '/products/a%00b',
      '/allocations/%00',
      '/products/',
      `/products/${'x'.repeat(256)}`,
    ]) {
      expect((await fetch(`${running.url}${path}`)).status).toBe(404);
    }
    expect(running.log).toEqual([]);
  });

  it('names HTTP_PORT when the port is taken', async () => {
    await using running = await HttpApiAlone.start({});
    await expect(HttpApiAlone.start({}, {}, Number(new URL(running.url).port))).rejects.toThrow(
      /HTTP_PORT/,
    );
  });

  it('logs nothing when a client aborts an upload', async () => {
    await using running = await HttpApiAlone.start({});
    const socket = connectTo(running.url, UNFINISHED);
    const [continued] = await once(socket, 'data');
    expect(String(continued)).toContain('100 Continue');
    socket.resetAndDestroy();
    await running.api.close();
    expect(running.log).toEqual([]);
  });

  it('finishes open answers when it closes, and accepts no more requests', async () => {
    const published = Promise.withResolvers<{ partition: number; offset: number }[]>();
    let isPublishing = false;
    await using running = await HttpApiAlone.start({
      publish: () => {
        isPublishing = true;
        return published.promise;
      },
    });
    const answer = fetch(`${running.url}/commands`, asJson);
    await eventually(() => expect(isPublishing).toBe(true));
    const closed = running.api.close();
    await eventually(async () => expect((await fetch(`${running.url}/healthz`)).status).toBe(503));
    published.resolve([{ partition: 0, offset: 5 }]);
    expect((await answer).status).toBe(202);
    await closed;
    await expect(fetch(`${running.url}/healthz`)).rejects.toThrow();
  });

  it('closes in bounded time when an upload and the log hang', async () => {
    let isPublishing = false;
    await using running = await HttpApiAlone.start({
      publish: () => {
        isPublishing = true;
        return new Promise(() => {});
      },
    });
    const upload = connectTo(running.url, UNFINISHED);
    await once(upload, 'data');
    const answer = fetch(`${running.url}/commands`, asJson).catch(() => 'hung up');
    await eventually(() => expect(isPublishing).toBe(true));
    const startedAt = Date.now();
    await running.api.close();
    expect(Date.now() - startedAt).toBeLessThan(5_000);
    expect(await answer).toBe('hung up');
    upload.destroy();
  });
});
