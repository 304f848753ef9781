import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Deduplicator, eventsOf, RecentIds, type SeenIds } from '../src/index.ts';
import { allocated, composite } from './records.ts';

const event = (sequence: number) => {
  const [first] = eventsOf(allocated(sequence));
  if (!first) throw new Error('A record has an event');
  return first;
};

describe('The deduplicator', () => {
  it('handles each event once, however often and in whatever order it comes', async () => {
    const numbers = fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 100 });
    await fc.assert(
      fc.asyncProperty(numbers, fc.boolean(), async (sequences, isAtOnce) => {
        const deduplicator = new Deduplicator();
        const handled: number[] = [];
        const take = (sequence: number) =>
          deduplicator.once(event(sequence), async () => {
            await null;
            handled.push(sequence);
          });
        if (isAtOnce) await Promise.all(sequences.map(take));
        else for (const sequence of sequences) await take(sequence);
        expect(handled.toSorted()).toEqual([...new Set(sequences)].toSorted());
      }),
    );
  });

  it('handles both events of a composite', async () => {
    const deduplicator = new Deduplicator();
    const results: boolean[] = [];
    for (const each of [...eventsOf(composite()), ...eventsOf(composite())])
      results.push(await deduplicator.once(each, () => {}));
    expect(results).toEqual([true, true, false, false]);
  });

  it('handles an event again whose handler has failed', async () => {
    const deduplicator = new Deduplicator();
    const failing = deduplicator.once(event(1), () => {
      throw new Error('The database is away');
    });
    const meanwhile = deduplicator.once(event(1), () => {});
    await expect(failing).rejects.toThrow('The database is away');
    expect(await meanwhile).toBe(true);
  });

  it('handles every message without an id of the service', async () => {
    const deduplicator = new Deduplicator();
    const foreign = eventsOf({ value: 'hello' });
    for (const each of [...foreign, ...foreign])
      expect(await deduplicator.once(each, () => {})).toBe(true);
  });

  it('asks a durable store, and tells it after the handler', async () => {
    const steps: string[] = [];
    const store: SeenIds = {
      has: async (id) => steps.push(`has ${id}`) > 100,
      add: async (id) => void steps.push(`add ${id}`),
    };
    await new Deduplicator(store).once(event(1), () => void steps.push('handle'));
    const id = 'allocation.commands/0/LAMP-1';
    expect(steps).toEqual([`has ${id}`, 'handle', `add ${id}`]);
  });
});

describe('The recent ids', () => {
  it('forget the oldest one when there are too many', () => {
    const ids = new RecentIds(2);
    for (const id of ['a', 'b', 'c']) ids.add(id);
    expect(['a', 'b', 'c'].map((id) => ids.has(id))).toEqual([false, true, true]);
  });
});
