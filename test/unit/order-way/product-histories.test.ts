import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type HistoryEvent, ProductHistories } from '../../../src/order-way/product-histories.ts';
import { HISTORY_CURSOR } from '../../../src/order-way/search-cursor.ts';
import type { SearchControl } from '../../../src/order-way/tracks.ts';
import { MemoryLog } from '../../support/memory-log.ts';

const EVENTS = 'events';
const PARTITIONS = 3;
const IMPATIENT: SearchControl = { isTimeUp: () => true, rest: async () => {} };
const PATIENT: SearchControl = { isTimeUp: () => false, rest: async () => {} };

/** Publishes one event of the product LAMP, or of another one. */
function publish(log: MemoryLog, partition: number, sku: string, sequence: number, at: Place) {
  const headers = {
    ce_id: `commands/0/${sequence}`,
    ce_source: '/allocation',
    ce_type: 'BatchCreated',
    ce_time: new Date(at.timeMs).toISOString(),
    ce_sequence: String(sequence),
    ...(at.isCopy && { ce_replay: 'true' }),
  };
  const value = JSON.stringify({ reference: `b${sequence}`, sku, quantity: 1, eta: null });
  return log.append(EVENTS, partition, { key: sku, value, headers }, at.timeMs, at.gap ?? 0);
}

interface Place {
  readonly timeMs: number;
  readonly gap?: number;
  readonly isCopy?: boolean;
}

async function pagesOf(log: MemoryLog, sku: string, control: SearchControl) {
  const histories = new ProductHistories({ eventsTopic: EVENTS, broker: log });
  const pages: (readonly HistoryEvent[])[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page = await histories.page(sku, cursor, control);
    if (page.cursor !== null) expect(page.cursor).toMatch(HISTORY_CURSOR);
    pages.push(page.events);
    cursor = page.cursor;
    if (pages.length > 5_000) throw new Error('The history does not end');
  }
  return pages;
}

const sequences = (pages: readonly (readonly HistoryEvent[])[]) =>
  pages.flat().map(({ sequence }) => sequence);

const published = fc.array(
  fc.record({
    partition: fc.nat(PARTITIONS - 1),
    gap: fc.constantFrom(0, 0, 800, 7_000),
    passedMs: fc.constantFrom(10, 1_000, 90_000),
    isOther: fc.boolean(),
  }),
  { maxLength: 40 },
);

describe('the history of a product', () => {
  it('has every event once, by sequence, the newest first, however it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(published, fc.boolean(), async (all, isPatient) => {
        const log = new MemoryLog([EVENTS], PARTITIONS);
        let timeMs = Date.UTC(2026, 0, 1);
        let last = 0;
        for (const { partition, gap, passedMs, isOther } of all) {
          timeMs += passedMs;
          if (!isOther) last += 1;
          publish(log, partition, isOther ? 'LAMPS' : 'LAMP', isOther ? 1 : last, { timeMs, gap });
        }
        const pages = await pagesOf(log, 'LAMP', isPatient ? PATIENT : IMPATIENT);
        expect(sequences(pages)).toEqual(Array.from({ length: last }, (_, n) => last - n));
      }),
      { numRuns: 100 },
    );
  });

  it('comes in pages of 100 events', async () => {
    const log = new MemoryLog([EVENTS], PARTITIONS);
    for (let sequence = 1; sequence <= 250; sequence += 1)
      publish(log, sequence % PARTITIONS, 'LAMP', sequence, { timeMs: sequence });
    const pages = await pagesOf(log, 'LAMP', PATIENT);
    expect(pages.map(({ length }) => length)).toEqual([100, 100, 50]);
  });

  it('goes on behind events that retention has deleted, and leaves copies out', async () => {
    const log = new MemoryLog([EVENTS], PARTITIONS);
    for (const sequence of [1, 2, 3]) publish(log, 0, 'LAMP', sequence, { timeMs: sequence });
    publish(log, 1, 'LAMP', 4, { timeMs: 4 });
    publish(log, 2, 'LAMP', 5, { timeMs: 5 });
    publish(log, 0, 'LAMP', 2, { timeMs: 6, isCopy: true });
    log.deleteBefore(EVENTS, 0, 1);
    log.deleteBefore(EVENTS, 1, 1);
    expect(sequences(await pagesOf(log, 'LAMP', PATIENT))).toEqual([5, 3, 2]);
  });

  it('reads no more than the newest events need', async () => {
    const log = new MemoryLog([EVENTS], PARTITIONS);
    for (let sequence = 1; sequence <= 400; sequence += 1)
      publish(log, 0, 'LAMP', sequence, { timeMs: sequence * 1_000, gap: 2_000 });
    const histories = new ProductHistories({ eventsTopic: EVENTS, broker: log });
    const { events } = await histories.page('LAMP', '', PATIENT);
    expect([events.length, events[0]?.data]).toEqual([
      100,
      expect.objectContaining({ sku: 'LAMP' }),
    ]);
    expect(log.readOffsets).toBeLessThan(250_000);
  });
});
