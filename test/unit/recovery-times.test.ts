import { describe, expect, it } from 'vitest';
import { RecoveryTimes } from '../support/recovery-times.ts';

const TARGET_MS = 8_000;

/** Recoveries from one kind of fault: so many in time and so many late, of which each took `lateMs`. */
function recovered(
  isStrict: boolean,
  inTime: number,
  late: number,
  lateMs = TARGET_MS + 1,
): RecoveryTimes {
  const times = new RecoveryTimes(isStrict);
  for (let count = 0; count < inTime; count += 1) times.add('kill', TARGET_MS, TARGET_MS);
  for (let count = 0; count < late; count += 1) times.add('kill', lateMs, TARGET_MS);
  return times;
}

describe('the times of recoveries', () => {
  it.each([
    ['a recovery within 30 s', false, 0, 5, 30_000, 0],
    ['a recovery beyond 30 s', false, 9, 1, 30_001, 1],
    ['a tenth of late ones in a strict run', true, 18, 2, TARGET_MS + 1, 0],
    ['one more than a tenth of late ones in a strict run', true, 17, 3, TARGET_MS + 1, 3],
    ['a late one alone in a strict run', true, 0, 1, TARGET_MS + 1, 0],
    ['a recovery beyond 30 s in a strict run', true, 18, 1, 30_001, 1],
  ])('%s', (_, isStrict, inTime, late, lateMs, complaints) => {
    expect(recovered(isStrict, inTime, late, lateMs).complaints()).toHaveLength(complaints);
  });

  it('are late by kind: quick recoveries from one fault excuse no other', () => {
    const times = recovered(true, 100, 0);
    for (let count = 0; count < 2; count += 1) times.add('cut', TARGET_MS + 1, TARGET_MS);
    expect(times.complaints()).toHaveLength(2);
  });

  it('are told with their count, median and slowest', () => {
    expect(recovered(false, 2, 1).text()).toBe(
      'Recovered from\nkill: 3 times, median 8000 ms, slowest 8001 ms, 1 over 8000 ms\n',
    );
  });
});
