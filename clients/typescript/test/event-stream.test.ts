import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AccessError, AllocationClient, type StreamedEvents } from '../src/index.ts';
import { FakeService, json, problem } from './fake-service.ts';
import { allocated, composite, type TextRecord } from './records.ts';

function structured({ headers, value }: TextRecord): string {
  const attributes = Object.entries(headers).map(([name, text]) => [name.replace('ce_', ''), text]);
  return JSON.stringify({ ...Object.fromEntries(attributes), data: JSON.parse(value ?? '') });
}

const block = (id: string, record: TextRecord) =>
  `id: ${id}\nevent: x\ndata: ${structured(record)}\n\n`;

/** Answers with a stream that ends after the text, which arrives in pieces. */
function stream(text: string, { pieceLength = 1_000, isOpen = false } = {}): Response {
  const bytes = new TextEncoder().encode(text);
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (let at = 0; at < bytes.length; at += pieceLength)
        controller.enqueue(bytes.subarray(at, at + pieceLength));
      if (!isOpen) controller.close();
    },
  });
  return new Response(body, { headers: { 'content-type': 'text/event-stream; charset=utf-8' } });
}

/** Reads items until there are enough. Pauses pass at once. */
async function take(
  items: AsyncGenerator<StreamedEvents, void>,
  count: number,
): Promise<readonly string[]> {
  const texts: string[] = [];
  while (texts.length < count) {
    const next = items.next();
    next.catch(() => {});
    await vi.advanceTimersByTimeAsync(60_000);
    const { value, done } = await next;
    if (done || !value) break;
    const { lastEventId, events } = value;
    texts.push([lastEventId, ...events.map(({ type }) => type)].join(' '));
  }
  await items.return();
  return texts;
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const clientOf = ({ fetch }: FakeService) => new AllocationClient({ url: 'http://host', fetch });

describe('The stream of events', () => {
  it('brings each message with the id behind it, whatever the pieces', async () => {
    const events = block('0/2', allocated(1, 'é😀')) + block('0/3', composite());
    const text = `: hello\nid: 0/1\n\n${events}:\n\n`;
    for (const pieceLength of [1, 7, 10_000]) {
      const service = new FakeService(stream(text, { pieceLength }));
      const items = clientOf(service).events({ lastEventId: '0/0', sku: 'é' });
      const expected = ['0/1', '0/2 Allocated', '0/3 Allocated CommandRejected'];
      expect(await take(items, 3)).toEqual(expected);
      expect(service.asked).toMatchObject([
        { url: 'http://host/events?sku=%C3%A9', headers: { 'last-event-id': '0/0' } },
      ]);
    }
  });

  it('reads lines that end with CR LF, and an event without an id', async () => {
    const text = `id: 0/2\r\n\r\ndata: ${structured(allocated(1))}\r\n\r\n`;
    const items = clientOf(new FakeService(stream(text))).events();
    expect(await take(items, 2)).toEqual(['0/2', '0/2 Allocated']);
  });

  it('goes on behind the last id when the connection ends or falls silent', async () => {
    const service = new FakeService(
      stream(block('0/2', allocated(1))),
      new TypeError('fetch failed'),
      stream(block('0/3', allocated(2)), { isOpen: true }),
      stream(block('0/4', allocated(3))),
    );
    const read = await take(clientOf(service).events(), 3);
    expect(read).toEqual(['0/2 Allocated', '0/3 Allocated', '0/4 Allocated']);
    const ids = service.asked.map(({ headers }) => headers['last-event-id']);
    expect(ids).toEqual([undefined, '0/2', '0/2', '0/3']);
  });

  it('that begins with a gap has missed events, and goes on', async () => {
    const gap = 'event: gap\ndata: {"reason":"deleted","beginning":"0/9"}\n';
    const text = `: older than the topic\nid: 0/9\n${gap}\nid: 0/99\n\n`;
    const items = clientOf(new FakeService(stream(text))).events({ lastEventId: '0/7' });
    const results = [await items.next(), await items.next()];
    expect(results).toMatchObject([
      { value: { lastEventId: '0/9', events: [], hasMissed: true } },
      { value: { lastEventId: '0/99', events: [], hasMissed: false } },
    ]);
    await items.return();
  });

  it('ends when the caller aborts', async () => {
    const abort = new AbortController();
    const service = new FakeService(stream(block('0/2', allocated(1)), { isOpen: true }));
    const items = clientOf(service).events({ signal: abort.signal });
    await items.next();
    const next = items.next();
    abort.abort();
    // A real fetch ends the body with the signal; here, the silence does.
    await vi.advanceTimersByTimeAsync(60_000);
    expect(await next).toEqual({ done: true, value: undefined });
  });

  it('fails when the service refuses, or something else answers', async () => {
    const refused = clientOf(new FakeService(problem(403, { role: 'read' }))).events();
    await expect(refused.next()).rejects.toThrow(AccessError);
    const strange = clientOf(new FakeService(json(200, {}))).events();
    await expect(strange.next()).rejects.toThrow('did not answer with server-sent events');
  });
});
