import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type AllocationEvent, eventsOf, HoldBack, type Release } from '../src/index.ts';
import { allocated, composite } from './records.ts';

const event = (sequence: number, sku = 'LAMP') =>
  eventsOf(allocated(sequence, sku))[0] as AllocationEvent;
const numbers = ({ events }: Pick<Release, 'events'>) => events.map(({ sequence }) => sequence);
const name = ({ sku, sequence }: AllocationEvent) => `${sku} ${sequence}`;

/** Events of a few products in the order of each product, spread over partitions. */
const partitions = fc
  .tuple(
    fc.array(fc.constantFrom('A', 'B', 'C'), { maxLength: 60 }),
    fc.array(fc.nat(2), { minLength: 60, maxLength: 60 }),
  )
  .map(([skus, homes]) => {
    const versions = new Map<string, number>();
    const logs: AllocationEvent[][] = [[], [], []];
    for (const [index, sku] of skus.entries()) {
      const sequence = (versions.get(sku) ?? 0) + 1;
      versions.set(sku, sequence);
      logs[homes[index] ?? 0]?.push(event(sequence, sku));
    }
    return logs;
  });

/** The order in which a consumer meets the events: each partition in order, with some repeats. */
const meetings = fc
  .tuple(partitions, fc.infiniteStream(fc.nat(2)), fc.infiniteStream(fc.boolean()))
  .map(([logs, choices, repeats]) => {
    const rest = logs.map((log) => [...log]);
    const met: AllocationEvent[] = [];
    while (rest.some((log) => log.length > 0)) {
      const next = rest[choices.next().value ?? 0]?.shift();
      if (!next) continue;
      met.push(next);
      if (repeats.next().value) met.push(met[Math.floor(met.length / 2)] as AllocationEvent);
    }
    return { met, all: logs.flat() };
  });

describe('The hold-back', () => {
  it('releases each event once and in order, from shuffled and repeating partitions', () => {
    fc.assert(
      fc.property(meetings, ({ met, all }) => {
        const holdBack = new HoldBack();
        const released = met.flatMap((each) => holdBack.add(each).events);
        expect(released.map(name).toSorted()).toEqual(all.map(name).toSorted());
        for (const sku of ['A', 'B', 'C']) {
          const sequences = released
            .filter((each) => each.sku === sku)
            .map((each) => each.sequence);
          expect(sequences).toEqual(sequences.map((_, index) => index + 1));
        }
        expect([holdBack.heldCount, holdBack.gaps()]).toEqual([0, []]);
      }),
    );
  });

  it('goes on from its saved state at any moment, as if nothing had happened', () => {
    fc.assert(
      fc.property(meetings, fc.nat(60), ({ met }, moment) => {
        const whole = new HoldBack();
        const expected = met.flatMap((each) => whole.add(each).events);
        const before = new HoldBack();
        const first = met.slice(0, moment).flatMap((each) => before.add(each).events);
        const after = new HoldBack({ state: JSON.parse(JSON.stringify(before.state())) });
        const second = met.slice(moment).flatMap((each) => after.add(each).events);
        expect([...first, ...second].map(name)).toEqual(expected.map(name));
      }),
    );
  });

  it('loses and repeats nothing when it gives gaps up', () => {
    const shuffled = meetings.chain(({ met, all }) =>
      fc.record({
        met: fc.shuffledSubarray(met, { minLength: met.length }),
        all: fc.constant(all),
        maxHeld: fc.nat(5),
      }),
    );
    fc.assert(
      fc.property(shuffled, ({ met, all, maxHeld }) => {
        const holdBack = new HoldBack({ maxHeld });
        const released = met.flatMap((each) => holdBack.add(each).events);
        expect(holdBack.heldCount).toBeLessThanOrEqual(maxHeld);
        const late = holdBack.state().products.flatMap(({ held }) => held);
        expect([...released, ...late].map(name).toSorted()).toEqual(all.map(name).toSorted());
      }),
    );
  });

  it('lets events without a sequence pass at once', () => {
    const holdBack = new HoldBack();
    const [seventh, rejected] = eventsOf(composite()) as [AllocationEvent, AllocationEvent];
    expect(holdBack.add(seventh).events).toEqual([]);
    expect(holdBack.add(rejected).events).toEqual([rejected]);
  });

  it('starts a product behind a known version', () => {
    const holdBack = new HoldBack({ versions: new Map([['LAMP', 4]]) });
    expect([3, 6, 5].map((each) => numbers(holdBack.add(event(each))))).toEqual([[], [], [5, 6]]);
    expect([holdBack.has('LAMP'), holdBack.has('SOFA')]).toEqual([true, false]);
    holdBack.startAt('SOFA', 2);
    expect(numbers(holdBack.add(event(3, 'SOFA')))).toEqual([3]);
    expect(() => holdBack.startAt('SOFA', 9)).toThrow(RangeError);
  });

  describe('when an event does not come', () => {
    beforeEach(() => void vi.useFakeTimers());
    afterEach(() => void vi.useRealTimers());

    it('reports and gives up the gap after its time, and lets the event pass later', () => {
      const holdBack = new HoldBack({ maxWaitMs: 1_000 });
      for (const sequence of [1, 4, 5]) holdBack.add(event(sequence));
      expect(holdBack.gaps()).toEqual([{ sku: 'LAMP', from: 2, to: 3 }]);
      vi.setSystemTime(Date.now() + 1_000);
      expect(holdBack.expire()).toEqual({ events: [], gaps: [] });
      vi.setSystemTime(Date.now() + 1);
      const { events, gaps } = holdBack.expire();
      expect([numbers({ events }), gaps]).toEqual([[4, 5], [{ sku: 'LAMP', from: 2, to: 3 }]]);
      const restored = new HoldBack({ state: holdBack.state() });
      expect([3, 3, 2, 6].map((each) => numbers(restored.add(event(each))))).toEqual([
        [3],
        [],
        [2],
        [6],
      ]);
    });

    it('gives up the oldest gap when too many events are held', () => {
      const holdBack = new HoldBack({ maxHeld: 2 });
      for (const sku of ['A', 'B']) expect(holdBack.add(event(2, sku)).gaps).toEqual([]);
      const { events, gaps } = holdBack.add(event(3, 'B'));
      expect([events.map(name), gaps]).toEqual([['A 2'], [{ sku: 'A', from: 1, to: 1 }]]);
      expect(holdBack.heldCount).toBe(2);
    });

    it('begins the time anew for a further gap of the product', () => {
      const holdBack = new HoldBack({ maxWaitMs: 1_000 });
      for (const sequence of [2, 4]) holdBack.add(event(sequence));
      vi.setSystemTime(Date.now() + 900);
      expect(numbers(holdBack.add(event(1)))).toEqual([1, 2]);
      vi.setSystemTime(Date.now() + 900);
      expect(holdBack.expire().gaps).toEqual([]);
      vi.setSystemTime(Date.now() + 200);
      expect(holdBack.expire().gaps).toEqual([{ sku: 'LAMP', from: 3, to: 3 }]);
    });

    it('waits its time again after a restart', () => {
      const first = new HoldBack();
      first.add(event(2));
      vi.setSystemTime(Date.now() + 60_001);
      const second = new HoldBack({ state: first.state() });
      expect(second.expire().gaps).toEqual([]);
      expect([second.heldCount, numbers(second.add(event(1)))]).toEqual([1, [1, 2]]);
    });
  });
});
