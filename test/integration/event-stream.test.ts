import { get, type IncomingMessage } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OffsetRange } from '../../src/service-layer/broker.ts';
import { TroubleError } from '../../src/service-layer/errors.ts';
import type { ReceivedRecord } from '../../src/service-layer/records.ts';
import { eventually } from '../support/eventually.ts';
import { connectTo, HttpApiAlone } from '../support/http-api-alone.ts';

const KILOBYTE = 1024;

function record(
  value: string,
  headers: ReceivedRecord['headers'] = {},
  place: Partial<ReceivedRecord> = {},
): ReceivedRecord {
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
    ...place,
  };
}

/** An event about the product, at an offset of partition 0. */
const eventAt = (offset: number, sku = 'S') =>
  record(JSON.stringify({ sku }), { ce_id: `event-${offset}` }, { offset });

describe('the stream of events', () => {
  let running: HttpApiAlone;
  let opened: number;
  let closed: number;
  let open: () => Promise<void>;
  let publish: (record: ReceivedRecord) => void;
  let ranges: OffsetRange[];
  let kept: ReceivedRecord[];
  /** Runs while a client reads what it missed. */
  let meanwhile: () => void;

  beforeEach(async () => {
    [opened, closed, open] = [0, 0, async () => {}];
    ranges = [{ partition: 0, beginning: 0, end: 7 }];
    [kept, meanwhile] = [[], () => {}];
    running = await HttpApiAlone.start({
      offsetRanges: async () => ranges,
      read: async (_topic, asked, take) => {
        meanwhile();
        for (const { partition, beginning, end } of asked) {
          const records = kept.filter(
            (each) => each.partition === partition && each.offset >= beginning && each.offset < end,
          );
          await take({ partition, records, nextOffset: end });
        }
      },
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
  async function listen(path = '', headers: Record<string, string> = {}) {
    const { promise, resolve } = Promise.withResolvers<IncomingMessage>();
    get(`${running.url}/events${path}`, { headers }, resolve).on('error', () => {});
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
    expect([id, type]).toEqual(['0/8', 'OutOfStock']);
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
    const clients = await Promise.all(Array.from({ length: 64 }, () => listen()));
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
    const sleeper = connectTo(running.url, 'GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n');
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

  it('survives foreign records: without attributes, with line ends, or too deep', async () => {
    const client = await listen();
    const deep = `${'['.repeat(300_000)}${']'.repeat(300_000)}`;
    publish(record('not JSON', { ce_id: undefined, ce_type: 'a\r\ndata: forged\n\nevent: b' }));
    publish(record(deep));
    publish(record('{}', { ce_id: 'last' }));
    await eventually(() => expect(client.text).toContain('"id":"last"'));
    expect(client.text).not.toMatch(/^data: forged/m);
    expect(client.bytes).toBeGreaterThan(deep.length);
  });

  const idsOf = ({ text }: { readonly text: string }) =>
    [...text.matchAll(/"id":"event-(\d+)"/g)].map(([, offset]) => Number(offset));
  const goOn = (lastEventId: string, path = '') => listen(path, { 'last-event-id': lastEventId });

  it('tells a new client where it begins, so that the client can come again', async () => {
    ranges = [0, 1].map((partition) => ({ partition, beginning: 0, end: 7 + partition }));
    const client = await listen();
    await eventually(() => expect(client.text).toBe(': live events\nid: 0/7,1/8\n\n'));
  });

  describe('for a client that comes again with a Last-Event-ID', () => {
    it('sends what the client missed, and then live events, each once', async () => {
      kept = [3, 4, 5, 6].map((offset) => eventAt(offset));
      const client = await goOn('0/5');
      await eventually(() => expect(idsOf(client)).toEqual([5, 6]));
      for (const offset of [7, 8]) publish(eventAt(offset));
      await eventually(() => expect(idsOf(client)).toEqual([5, 6, 7, 8]));
      expect(client.text).toMatch(/^: events after Last-Event-ID\nid: 0\/5\n\n/);
      expect(client.text.match(/^id: .*$/gm)).toEqual(
        ['0/5', '0/6', '0/7', '0/8', '0/9'].map((id) => `id: ${id}`),
      );
    });

    it('leaves out no event that is published while the client catches up', async () => {
      kept = [6, 7, 8].map((offset) => eventAt(offset));
      meanwhile = () => {
        meanwhile = () => {};
        for (const offset of [7, 8]) publish(eventAt(offset));
      };
      const client = await goOn('0/6');
      await eventually(() => expect(idsOf(client)).toEqual([6, 7, 8]));
      publish(eventAt(9));
      await eventually(() => expect(idsOf(client)).toEqual([6, 7, 8, 9]));
    });

    it('begins with the oldest event that is kept, and says so', async () => {
      ranges = [{ partition: 0, beginning: 5, end: 7 }];
      kept = [5, 6].map((offset) => eventAt(offset));
      const client = await goOn('0/2');
      await eventually(() => expect(idsOf(client)).toEqual([5, 6]));
      expect(client.text).toMatch(
        /^: Last-Event-ID is older than the topic: .*\nid: 0\/5\nevent: gap\n/,
      );
      expect(client.text).toContain('data: {"reason":"deleted","beginning":"0/5"}\n\n');
    });

    it.each([
      ['beyond the end of the topic', '0/8'],
      ['of a partition that the topic does not have', '0/5,1/0'],
      ['of another form', 'allocation.commands/0/5'],
    ])('begins now and says so when the id is %s', async (_, lastEventId) => {
      kept = [5, 6].map((offset) => eventAt(offset));
      const client = await goOn(lastEventId);
      publish(eventAt(7));
      await eventually(() => expect(idsOf(client)).toEqual([7]));
      expect(client.text).toMatch(/^: Last-Event-ID is unknown here: .*\nid: 0\/7\nevent: gap\n/);
      expect(client.text).toContain('data: {"reason":"unknown-id","beginning":"0/7"}\n\n');
    });

    it('begins now and says so when the client missed more than 100,000 records', async () => {
      ranges = [{ partition: 0, beginning: 0, end: 100_005 }];
      const [late, tooLate] = [await goOn('0/5'), await goOn('0/4')];
      await eventually(() => expect(late.text).toMatch(/^: events after Last-Event-ID\n/));
      await eventually(() => expect(tooLate.text).toMatch(/^: Last-Event-ID is more than 100000 /));
      expect(tooLate.text).toContain('id: 0/100005\n');
    });

    it('ends the stream when the log cannot be read', async () => {
      meanwhile = () => {
        throw new TroubleError('The log is away');
      };
      const client = await goOn('0/5');
      await eventually(() => expect(client.hasEnded).toBe(true));
      await eventually(() => expect(closed).toBe(1));
    });
  });

  describe('for a client that asks for one sku', () => {
    it('sends its events, and the composites that have one, live and missed', async () => {
      const composite = record(
        JSON.stringify({ events: [{ data: { sku: 'OTHER' } }, { data: { sku: 'A/B' } }, null] }),
        { ce_id: 'event-6' },
        { offset: 6 },
      );
      kept = [eventAt(4, 'A/B'), eventAt(5, 'OTHER'), composite];
      const client = await goOn('0/4', '?sku=A%2FB');
      await eventually(() => expect(idsOf(client)).toEqual([4, 6]));
      publish(record('not JSON', {}, { offset: 7 }));
      publish(eventAt(8, 'OTHER'));
      publish(eventAt(9, 'A/B'));
      await eventually(() => expect(idsOf(client)).toEqual([4, 6, 9]));
    });
  });

  it.each(['?sku=', '?sku=%00', '?sku=A&sku=B', '?sample=', '?sample=false'])(
    'answers 400 to %s',
    async (query) => {
      expect((await fetch(`${running.url}/events${query}`)).status).toBe(400);
    },
  );

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
