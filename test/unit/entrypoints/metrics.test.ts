import { expect, it } from 'vitest';
import { Metrics } from '../../../src/entrypoints/metrics.ts';

it('a dead letter is counted by its reason, whatever type its sender gave it', async () => {
  const metrics = new Metrics(() => ({ working: 1, assigned: 1 }));
  const record = { topic: 'any', key: null, value: null, sequence: 1, sourceOffset: 0 };
  metrics.countAnswers(3, [
    { ...record, headers: { ce_type: 'Allocated' } },
    { ...record, headers: { ce_type: 'of a stranger', 'dead-letter-reason': 'unknown-type' } },
    {
      ...record,
      headers: { ce_type: Buffer.from('of another'), 'dead-letter-reason': 'unknown-type' },
    },
  ]);
  const { values } = (await metrics.registry
    .getSingleMetric('allocation_answers_total')
    ?.get()) ?? { values: [] };
  expect(values.map(({ labels, value }) => [labels.type, value])).toEqual([
    ['Allocated', 1],
    ['dead-letter:unknown-type', 2],
  ]);
});

it('shows how much was parked at the scrape before, or NaN if that is unknown', async () => {
  const metrics = new Metrics(() => ({ working: 1, assigned: 1 }));
  const counts = [
    Promise.resolve(7),
    Promise.reject(new Error('The database is gone')),
    Promise.resolve(8),
  ];
  metrics.watchParked(() => counts.shift() ?? Promise.resolve(0));
  const scrape = async () =>
    (await metrics.registry.getSingleMetric('allocation_parked_commands')?.get())?.values[0]?.value;
  expect([await scrape(), await scrape(), await scrape(), await scrape()]).toEqual([
    Number.NaN,
    7,
    Number.NaN,
    8,
  ]);
});
