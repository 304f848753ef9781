import { expect, it } from 'vitest';
import { fateOf } from '../../../src/dead-letters/markers.ts';

it('A marker with an impossible timestamp is read all the same', () => {
  const record = {
    topic: 'dead',
    partition: 0,
    offset: 1,
    timestampMs: Number.MAX_SAFE_INTEGER,
    key: null,
    value: null,
    headers: { 'dead-letter-resolves': 'dead/0/0', 'dead-letter-resolution': 'discarded' },
  };
  expect(fateOf(record)).toEqual({
    resolution: 'discarded',
    resolvedAt: '+275760-09-13T00:00:00.000Z',
    resolvedBy: null,
  });
});
