import type { ServerResponse } from 'node:http';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { handOver } from '../../../../src/adapters/broker/hand-over.ts';
import { CatchUps } from '../../../../src/entrypoints/http/catch-ups.ts';
import type { Client } from '../../../../src/entrypoints/http/stream-client.ts';
import type { Broker, ReadChunk } from '../../../../src/service-layer/broker.ts';
import { eventually } from '../../../support/eventually.ts';

const AT_ONCE = 4;
const RANGES = [{ partition: 0, beginning: 0, end: 7 }];

describe('A client that catches up while the log is silent', () => {
  /** The time limits that run, each with what ends it. */
  let limits: { readonly ms: number; readonly over: AbortController }[];
  /** How many reads have begun. */
  let reads: number;
  let catchUps: CatchUps;

  beforeEach(() => {
    [limits, reads] = [[], 0];
    vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => {
      const over = new AbortController();
      limits.push({ ms, over });
      return over.signal;
    });
    // As both brokers do, this log hands over no chunk until the signal ends the read.
    const read: Broker['read'] = (_topic, _ranges, take, signal) => {
      reads += 1;
      return handOver(silence, take, signal);
    };
    catchUps = new CatchUps({ read } as Broker, 'events', () => [7]);
  });

  afterEach(() => vi.restoreAllMocks());

  function enter(): Client {
    const response = new PassThrough() as unknown as ServerResponse;
    const closing = new AbortController();
    const client = { response, sku: null, closing, isLive: false, places: [5] };
    catchUps.add(client, client.places, RANGES);
    return client;
  }

  it('is dropped after 60 s, and never becomes live', async () => {
    const client = enter();
    await eventually(() => expect(reads).toBe(1));
    expect([limits.map(({ ms }) => ms), client.response.destroyed]).toEqual([[60_000], false]);
    limits[0]?.over.abort();
    await eventually(() => expect(client.response.destroyed).toBe(true));
    expect(client.isLive).toBe(false);
  });

  it.each([
    ['is dropped', () => limits[0]?.over.abort()],
    ['leaves', (client: Client) => client.closing.abort()],
  ])('makes room for the next client when it %s', async (_, end) => {
    const clients = Array.from({ length: AT_ONCE + 1 }, enter);
    await eventually(() => expect(reads).toBe(AT_ONCE));
    // The time of a client that waits does not run.
    expect(limits).toHaveLength(AT_ONCE);
    end(clients[0] as Client);
    await eventually(() => expect([reads, limits.length]).toEqual([AT_ONCE + 1, AT_ONCE + 1]));
    expect(clients.map(({ response }) => response.destroyed)).toEqual([
      true,
      ...Array(AT_ONCE).fill(false),
    ]);
  });
});

async function* silence(): AsyncGenerator<ReadChunk, void> {
  await new Promise(() => {});
}
