import { expect, it } from 'vitest';
import { describePause } from '../../../src/service-layer/lane-pause.ts';

it('a pause says which lane is paused, by whom, since when and why', () => {
  const pause = { by: 'operator@host', at: '2027-01-15T09:30:00.000Z', reason: 'wrong prices' };
  expect(describePause(3, pause)).toBe(
    'Partition 3 is paused by operator@host since 2027-01-15T09:30:00.000Z (wrong prices)',
  );
});
