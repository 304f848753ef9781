import { expect, it } from 'vitest';
import { Metrics } from '../../../src/entrypoints/metrics.ts';

it('a dead letter is counted by its reason, whatever type its sender gave it', async () => {
  const metrics = new Metrics(() => ({ working: 1, assigned: 1 }));
  const record = { topic: 'any', key: null, value: null, sequence: 1, sourceOffset: 0 };
  metrics.answered(3, [
    { ...record, headers: { ce_type: 'Allocated' } },
    { ...record, headers: { ce_type: 'of a stranger', 'dead-letter-reason': 'unknown-type' } },
    { ...record, headers: { ce_type: Buffer.from('of another'), 'dead-letter-reason': 'unknown-type' } },
  ]);
  const { values } = (await metrics.registry.getSingleMetric('allocation_answers_total')?.get()) ?? { values: [] };
  expect(values.map(({ labels, value }) => [labels.type, value])).toEqual([
    ['Allocated', 1],
    ['dead-letter:unknown-type', 2],
  ]);
});
