import { Writable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EventStream } from '../../../../src/entrypoints/http/event-stream.ts';
import type { Broker, OffsetRange, Sampling } from '../../../../src/service-layer/broker.ts';
import type { ReceivedRecord } from '../../../../src/service-layer/records.ts';

const GATHER_MS = 50;
const HEARTBEAT_MS = 15_000;
const MEGABYTE = 1024 * 1024;

/** A response that counts its writes. It takes nothing from them while it is asleep. */
class CountingResponse extends Writable {
  readonly writes: (string | Buffer)[] = [];
  isAsleep = false;
  beginning = '';
  headersSent = false;

  writeHead(): void {
    this.headersSent = true;
  }

  override write(chunk: string | Buffer): boolean {
    this.writes.push(chunk);
    return super.write(chunk);
  }

  override _write(_chunk: unknown, _encoding: unknown, done: () => void): void {
    if (!this.isAsleep) done();
  }

  get text(): string {
    return this.writes.join('');
  }
}

function eventAt(offset: number, sku = 'S', partition = 0): ReceivedRecord {
  const value = Buffer.from(JSON.stringify({ sku }));
  const headers = { ce_type: 'OutOfStock', ce_id: `event-${partition}-${offset}` };
  return { topic: 'events', partition, offset, timestampMs: 0, key: null, value, headers };
}

const eventIds = (text: string) =>
  [...text.matchAll(/"id":"event-\d-(\d+)"/g)].map(([, id]) => Number(id));
const streamIds = (text: string) => [...text.matchAll(/^id: (.*)$/gm)].map(([, id]) => id);

interface Asked {
  readonly sku?: string;
  readonly sample?: 'true';
  readonly lastEventId?: string;
}

describe('The stream of events', () => {
  let stream: EventStream;
  let publish: (record: ReceivedRecord) => void;
  /** How each tail samples, in the order of their opening. */
  let samplings: (Sampling | undefined)[];
  let ranges: OffsetRange[];
  /** What the topic has. */
  let kept: ReceivedRecord[];
  /** Runs while a client reads what it missed. */
  let meanwhile: () => void;

  beforeEach(() => {
    vi.useFakeTimers();
    ranges = [{ partition: 0, beginning: 0, end: 7 }];
    [kept, samplings, meanwhile] = [[], [], () => {}];
    const broker: Pick<Broker, 'offsetRanges' | 'tail' | 'read'> = {
      offsetRanges: async () => ranges,
      tail: async (_topic, _from, onRecord, sampling) => {
        publish = onRecord;
        samplings.push(sampling);
        return { close: async () => {} };
      },
      read: async (_topic, asked, take) => {
        meanwhile();
        for (const { partition, beginning, end } of asked) {
          const records = kept.filter(({ offset }) => offset >= beginning && offset < end);
          await take({ partition, records, nextOffset: end });
        }
      },
    };
    stream = new EventStream(broker as Broker, 'events');
  });

  afterEach(async () => {
    await stream.close();
    vi.useRealTimers();
  });

  /** Lets a client begin. @returns its response, which forgets how the stream begins */
  async function enter({ lastEventId, ...query }: Asked = {}) {
    const response = new CountingResponse();
    const headers = lastEventId === undefined ? {} : { 'last-event-id': lastEventId };
    const request = { query, headers };
    const reply = { raw: response, hijack: () => {} };
    await stream.serve(request as FastifyRequest, reply as unknown as FastifyReply);
    response.beginning = String(response.writes.shift());
    return response;
  }

  const publishAll = (...offsets: number[]) => {
    for (const offset of offsets) publish(eventAt(offset));
  };

  it('sends all events of a delivery with one write', async () => {
    const client = await enter();
    publishAll(7, 8, 9);
    expect(client.writes).toEqual([]);
    vi.advanceTimersByTime(0);
    expect(client.writes).toHaveLength(1);
    expect(eventIds(client.text)).toEqual([7, 8, 9]);
  });

  it('gives each event of a gathering an id of its own', async () => {
    ranges = [0, 1].map((partition) => ({ partition, beginning: 0, end: 7 }));
    const client = await enter();
    for (const [offset, partition] of [
      [7, 0],
      [7, 1],
      [8, 0],
    ] as const)
      publish(eventAt(offset, 'S', partition));
    vi.advanceTimersByTime(0);
    expect(streamIds(client.text)).toEqual(['0/8,1/7', '0/8,1/8', '0/9,1/8']);
  });

  it('keeps a pace of one write in 50 ms, and the order of the events', async () => {
    const client = await enter();
    publishAll(7);
    vi.advanceTimersByTime(0);
    const later = Array.from({ length: 39 }, (_, index) => 8 + index);
    for (const offset of later) {
      vi.advanceTimersByTime(5);
      publishAll(offset);
    }
    vi.advanceTimersByTime(5);
    // 200 ms have passed since the first write.
    expect(client.writes).toHaveLength(1 + 200 / GATHER_MS);
    expect(eventIds(client.text)).toEqual([7, ...later]);
  });

  it('sends a large gathering before its time is up', async () => {
    const client = await enter();
    publish(eventAt(7, 'x'.repeat(64 * 1024)));
    expect(eventIds(client.text)).toEqual([7]);
    expect(vi.getTimerCount()).toBe(1); // the heartbeat
  });

  it('shares one buffer among all clients that want everything', async () => {
    const clients = [await enter(), await enter()];
    const choosy = await enter({ sku: 'LAMP' });
    publish(eventAt(7));
    publish(eventAt(8, 'LAMP'));
    vi.advanceTimersByTime(0);
    const [first, second] = clients.map(({ writes }) => writes[0]);
    expect(first).toBeInstanceOf(Buffer);
    expect(second).toBe(first);
    expect(eventIds(choosy.text)).toEqual([8]);
  });

  it('writes nothing to a client that wants none of the events', async () => {
    const client = await enter({ sku: 'LAMP' });
    publishAll(7, 8);
    vi.advanceTimersByTime(0);
    expect(client.writes).toEqual([]);
  });

  it('lets a client go on in the middle of a gathering, with each event once', async () => {
    const first = await enter();
    publishAll(7, 8, 9, 10);
    vi.advanceTimersByTime(0);
    const seen = first.text.slice(0, first.text.indexOf('id: 0/10'));
    first.destroy();
    kept = [7, 8, 9, 10, 11].map((offset) => eventAt(offset));
    ranges = [{ partition: 0, beginning: 0, end: 11 }];
    const again = await enter({ lastEventId: streamIds(seen).at(-1) ?? '' });
    publishAll(11);
    await vi.advanceTimersByTimeAsync(GATHER_MS);
    expect(eventIds(seen)).toEqual([7, 8]);
    expect(eventIds(again.text)).toEqual([9, 10, 11]);
  });

  it('begins for a new client behind what the others are about to get', async () => {
    const former = await enter();
    publishAll(7);
    vi.advanceTimersByTime(0);
    publishAll(8);
    const client = await enter();
    publishAll(9);
    vi.advanceTimersByTime(GATHER_MS);
    expect(eventIds(former.text)).toEqual([7, 8, 9]);
    expect(eventIds(client.text)).toEqual([9]);
  });

  it('sends what has gathered before a heartbeat says how far the client is', async () => {
    const client = await enter();
    vi.advanceTimersByTime(HEARTBEAT_MS - GATHER_MS / 2);
    publishAll(7);
    vi.advanceTimersByTime(0);
    publishAll(8);
    vi.advanceTimersByTime(GATHER_MS / 2);
    expect(client.text).toMatch(/"id":"event-0-8".*\n\n:\nid: 0\/9\n\n$/);
  });

  it('drops a client that leaves more than 1 MiB unread, and nobody else', async () => {
    const [reader, sleeper] = [await enter(), await enter()];
    sleeper.isAsleep = true;
    for (let offset = 7; offset < 100 && sleeper.writableLength <= MEGABYTE; offset += 1) {
      publish(eventAt(offset, 'x'.repeat(100 * 1024)));
      expect(sleeper.destroyed).toBe(false);
    }
    publishAll(100);
    vi.advanceTimersByTime(GATHER_MS);
    expect([sleeper.destroyed, reader.destroyed]).toEqual([true, false]);
    expect(eventIds(reader.text).at(-1)).toBe(100);
  });

  it('forgets what has gathered when it closes', async () => {
    const client = await enter();
    publishAll(7);
    await stream.close();
    expect([client.destroyed, client.writes, vi.getTimerCount()]).toEqual([true, [], 0]);
  });

  describe('as a sample', () => {
    const sample = 'true';
    const skipTo = (nextOffset: number) => samplings.at(-1)?.onSkipped(0, nextOffset);

    it('is bounded, and all events are not', async () => {
      await enter();
      await enter({ sample });
      await enter({ sample });
      expect(samplings).toEqual([
        undefined,
        { everyMs: 1_000, maxRecords: 200, onSkipped: expect.any(Function) },
      ]);
    });

    it('says how many records it leaves out, and where it goes on', async () => {
      const clients = [await enter({ sample }), await enter({ sample, sku: 'LAMP' })];
      publishAll(7);
      skipTo(107);
      publish(eventAt(107, 'LAMP'));
      vi.advanceTimersByTime(0);
      const gap = 'id: 0/107\nevent: gap\ndata: {"reason":"sampled","leftOut":99}\n\nid: 0/108\n';
      expect(clients.map(({ text }) => eventIds(text))).toEqual([[7, 107], [107]]);
      for (const { text } of clients) expect(text).toContain(gap);
    });

    it('says nothing of a gap to a client that has read the records by itself', async () => {
      kept = [5, 6, 7].map((offset) => eventAt(offset));
      meanwhile = () => {
        meanwhile = () => {};
        skipTo(8);
      };
      const client = await enter({ sample, lastEventId: '0/5' });
      await vi.advanceTimersByTimeAsync(GATHER_MS);
      publishAll(8);
      await vi.advanceTimersByTimeAsync(GATHER_MS);
      expect([eventIds(client.text), client.text]).toEqual([
        [5, 6, 7, 8],
        expect.not.stringContaining('event: gap'),
      ]);
    });

    it('begins now for a client that missed more than 1,000 records', async () => {
      ranges = [{ partition: 0, beginning: 0, end: 1_005 }];
      const [late, tooLate] = [
        await enter({ sample, lastEventId: '0/5' }),
        await enter({ sample, lastEventId: '0/4' }),
      ];
      expect([late.beginning, tooLate.beginning]).toEqual([
        expect.not.stringContaining('gap'),
        expect.stringContaining('"reason":"too-far-behind"'),
      ]);
    });

    it('counts its clients among the 64 that the stream serves', async () => {
      await Promise.all(
        Array.from({ length: 64 }, (_, index) => enter(index % 2 === 0 ? { sample } : {})),
      );
      await expect(enter()).rejects.toThrow('64 clients read the events here already');
    });
  });
});
