import { describe, expect, it } from 'vitest';
import { RecoveryTimes } from '../support/recovery-times.ts';

const TARGET_MS = 8_000;

/** Records recoveries from one kind of fault. Each late one takes `lateMs`. */
function recordRecoveries(
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

describe('RecoveryTimes', () => {
  it.each([
    ['accepts late recoveries of up to 30 s', false, 0, 5, 30_000, 0],
    ['complains about a recovery beyond 30 s', false, 9, 1, 30_001, 1],
    ['accepts a tenth of late recoveries in a strict run', true, 18, 2, TARGET_MS + 1, 0],
    [
      'complains about more than a tenth of late recoveries in a strict run',
      true,
      17,
      3,
      TARGET_MS + 1,
      3,
    ],
    ['accepts a single late recovery in a strict run', true, 0, 1, TARGET_MS + 1, 0],
    ['complains about a recovery beyond 30 s in a strict run', true, 18, 1, 30_001, 1],
  ])('%s', (_, isStrict, inTime, late, lateMs, complaints) => {
    expect(recordRecoveries(isStrict, inTime, late, lateMs).complaints()).toHaveLength(complaints);
  });

  it('complains about late recoveries of one kind despite quick ones of another', () => {
    const times = recordRecoveries(true, 100, 0);
    for (let count = 0; count < 2; count += 1) times.add('cut', TARGET_MS + 1, TARGET_MS);
    expect(times.complaints()).toHaveLength(2);
  });

  it('prints the count, the median and the slowest of each kind', () => {
    expect(recordRecoveries(false, 2, 1).text()).toBe(
      'Recovered from\nkill: 3 times, median 8000 ms, slowest 8001 ms, 1 over 8000 ms\n',
    );
  });
});
