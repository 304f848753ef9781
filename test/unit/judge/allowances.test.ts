import { describe, expect, it } from 'vitest';
import { addCopy, at, failLast } from '../../support/damaged-history.ts';
import { checkHistory } from '../../support/judge/check-history.ts';
import { LAST, rightHistory } from '../../support/right-history.ts';

describe('The judge of histories', () => {
  it('accepts a failure and parked commands that the test announces', () => {
    const history = rightHistory();
    failLast(history, 'handler-failed');
    history.tables.parkedIds.push(`id-${LAST}`);
    expect(
      checkHistory(history, { mayFail: ({ id }) => id === `id-${LAST}`, mayStayParked: true }),
    ).toEqual([]);
  });

  it('finds a good command that is called malformed, whatever may fail', () => {
    const history = rightHistory();
    failLast(history, 'malformed');
    expect(checkHistory(history, { mayFail: () => true })).toMatchObject([
      { kind: 'dead-for-nothing' },
    ]);
  });

  it('accepts missing answers while the history is under way', () => {
    const history = rightHistory();
    history.events.pop();
    history.committedOffsets.set(0, 9);
    expect(checkHistory(history, { isUnderWay: true })).toEqual([]);
  });

  it('finds an answer published twice while the history is under way', () => {
    const history = rightHistory();
    history.events.pop();
    addCopy(history.events, at(history.events, 3));
    expect(checkHistory(history, { isUnderWay: true }).map(({ kind }) => kind)).toContain(
      'answered-twice',
    );
  });
});
