import { describe, expect, it } from 'vitest';
import { applyRetention, splitFirstComposite } from '../../support/damaged-history.ts';
import { checkHistory } from '../../support/judge/check-history.ts';
import { LAST, rightHistory } from '../../support/right-history.ts';

describe('The judge of histories', () => {
  it('accepts a correct history', () => {
    expect(checkHistory(rightHistory())).toEqual([]);
  });

  it('accepts a composite in several messages, and markers behind the last command', () => {
    const history = rightHistory();
    splitFirstComposite(history);
    history.ends.set(0, LAST + 6);
    expect(checkHistory(history)).toEqual([]);
  });

  it('accepts a history whose first commands retention has deleted', () => {
    const history = rightHistory();
    applyRetention(history, 'commands', 7);
    expect(checkHistory(history)).toEqual([]);
  });

  it('accepts a history whose commands retention has all deleted', () => {
    const history = rightHistory();
    applyRetention(history, 'commands', history.commands.length);
    expect(checkHistory(history)).toEqual([]);
  });

  it('accepts a history whose first events retention has deleted', () => {
    const history = rightHistory();
    applyRetention(history, 'events', 4);
    expect(checkHistory(history)).toEqual([]);
  });

  it('accepts an answer whose first message retention has deleted', () => {
    const history = rightHistory();
    applyRetention(history, 'events', splitFirstComposite(history) + 1);
    expect(checkHistory(history)).toEqual([]);
  });

  it('accepts a repeated command whose original and answer retention has deleted', () => {
    const history = rightHistory();
    applyRetention(history, 'commands', 4);
    applyRetention(history, 'events', 4);
    expect(checkHistory(history)).toEqual([]);
  });
});
