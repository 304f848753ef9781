import { get, type IncomingMessage } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TroubleError } from '../../src/service-layer/errors.ts';
import type { ReceivedRecord } from '../../src/service-layer/records.ts';
import { eventually } from '../support/eventually.ts';
import { connectTo, HttpApiAlone } from '../support/http-api-alone.ts';

const KILOBYTE = 1024;

function record(value: string, headers: ReceivedRecord['headers'] = {}): ReceivedRecord {
  const attributes = {
    ce_specversion: '1.0',
    ce_id: 'events/0/7',
    ce_type: 'OutOfStock',
    ...headers,
  };
  return {
    topic: 'events',
    partition: 0,
    offset: 7,
    timestampMs: 0,
    key: null,
    value: Buffer.from(value),
    headers: attributes,
  };
}

describe('the stream of events', () => {
  let running: HttpApiAlone;
  let opened: number;
  let closed: number;
  let open: () => Promise<void>;
  let publish: (record: ReceivedRecord) => void;

  beforeEach(async () => {
    [opened, closed, open] = [0, 0, async () => {}];
    running = await HttpApiAlone.start({
      tail: async (_topic, _from, onRecord) => {
        opened += 1;
        publish = onRecord;
        await open();
        return {
          close: async () => {
            closed += 1;
          },
        };
      },
    });
  });

  afterEach(async () => running[Symbol.asyncDispose]());

  /** A client that reads everything. */
  async function listen() {
    const { promise, resolve } = Promise.withResolvers<IncomingMessage>();
    get(`${running.url}/events`, resolve).on('error', () => {});
    const response = await promise;
    const client = { response, text: '', bytes: 0, hasEnded: false };
    response.on('data', (chunk: Buffer) => {
      client.bytes += chunk.length;
      client.text = (client.text + chunk).slice(-4 * KILOBYTE);
    });
    response.on('error', () => {});
    response.on('close', () => {
      client.hasEnded = true;
    });
    return client;
  }

  it('says each event with its id, its type and all its attributes', async () => {
    const client = await listen();
    publish(record('{"orderid":"o","sku":"S","qty":1}', { ce_subject: Buffer.from('S') }));
    await eventually(() => expect(client.text).toContain('data:'));
    const [, id, type, data = ''] =
      /\nid: (.*)\nevent: (.*)\ndata: (.*)\n\n$/.exec(client.text) ?? [];
    expect([id, type]).toEqual(['events/0/7', 'OutOfStock']);
    expect(JSON.parse(data)).toEqual({
      specversion: '1.0',
      id: 'events/0/7',
      type: 'OutOfStock',
      subject: 'S',
      datacontenttype: 'application/json',
      data: { orderid: 'o', sku: 'S', qty: 1 },
    });
  });

  it('refuses one client more than 64, until one has left', async () => {
    const clients = await Promise.all(Array.from({ length: 64 }, listen));
    expect(new Set(clients.map(({ response }) => response.statusCode))).toEqual(new Set([200]));
    const refused = await fetch(`${running.url}/events`);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '2']);
    expect(await refused.json()).toMatchObject({
      detail: expect.stringContaining('64 clients read the events here already'),
    });
    clients[0]?.response.destroy();
    const statusAgain = async () => {
      const { response } = await listen();
      if (response.statusCode !== 200) throw new Error(`answers ${response.statusCode}`);
    };
    await eventually(statusAgain);
  });

  it('answers only once it is open', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    open = () => promise;
    const client = listen();
    await eventually(() => expect(opened).toBe(1));
    expect(
      await Promise.race([client, fetch(`${running.url}/healthz`).then(() => 'still waiting')]),
    ).toBe('still waiting');
    resolve();
    expect((await client).response.statusCode).toBe(200);
  });

  it('reads the log once for all clients, while there is one', async () => {
    const clients = [await listen(), await listen(), await listen()];
    expect([opened, closed]).toEqual([1, 0]);
    for (const { response } of clients) response.destroy();
    await eventually(() => expect(closed).toBe(1));
    await listen();
    expect(opened).toBe(2);
  });

  it('lets go of the log when the only client has left before it was open', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    open = () => promise;
    const request = get(`${running.url}/events`).on('error', () => {});
    await eventually(() => expect(opened).toBe(1));
    request.destroy();
    resolve();
    await eventually(() => expect(closed).toBe(1));
  });

  it('answers 503 while the log cannot be read, and works again afterwards', async () => {
    open = async () => Promise.reject(new TroubleError('The log is away'));
    const refused = await fetch(`${running.url}/events`);
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({ status: 503, detail: 'The log is away' });
    open = async () => {};
    expect((await listen()).response.statusCode).toBe(200);
  });

  it('drops a client that does not read, to the harm of nobody', async () => {
    const reader = await listen();
    const sleeper = connectTo(running.url, 'GET /events HTTP/1.1\r\nhost: x\r\n\r\n');
    await new Promise((resolve) => sleeper.once('readable', resolve));
    const large = record(JSON.stringify('x'.repeat(100 * KILOBYTE)));
    // More than the kernel keeps for a connection, in steps that a reader's bound allows.
    for (let sent = 5; sent <= 400; sent += 5) {
      for (let each = 0; each < 5; each += 1) publish(large);
      await eventually(() => expect(reader.bytes).toBeGreaterThan(sent * 100 * KILOBYTE));
    }
    expect([reader.hasEnded, closed]).toEqual([false, 0]);
    reader.response.destroy();
    // Nobody is left: the one who slept has gone before.
    await eventually(() => expect(closed).toBe(1));
    sleeper.destroy();
  });

  it('survives foreign records: without attributes, with line ends in them, or too deep to write', async () => {
    const client = await listen();
    const deep = `${'['.repeat(300_000)}${']'.repeat(300_000)}`;
    publish(record('not JSON', { ce_id: undefined, ce_type: 'a\r\ndata: forged\n\nevent: b' }));
    publish(record(deep));
    publish(record('{}', { ce_id: 'last' }));
    await eventually(() => expect(client.text).toContain('id: last'));
    expect(client.text).not.toMatch(/^data: forged/m);
    expect(client.bytes).toBeGreaterThan(deep.length);
  });

  it('ends when the service stops, even when its log does not answer', async () => {
    const client = await listen();
    open = () => new Promise(() => {});
    client.response.destroy();
    await eventually(() => expect(closed).toBe(1));
    const waiting = fetch(`${running.url}/events`).catch(() => 'hung up');
    await eventually(() => expect(opened).toBe(2));
    await running.api.close();
    expect(await waiting).toBe('hung up');
  });
});
