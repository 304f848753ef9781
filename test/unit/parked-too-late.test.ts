import { expect, it } from 'vitest';
import { parkedTooLate } from '../simulation/parked-too-late.ts';
import type { History, HistoryRecord } from '../support/judge/history.ts';

const COMMITTED_FIRST = '2026-01-01T00:00:09Z';
const COMMITTED_LAST = '2026-01-01T00:00:27Z';

const record = (headers: Record<string, string>, madeAt: string) =>
  ({ headers, madeAt }) as unknown as HistoryRecord;
const parked = (id: string, offset: number, behind: readonly string[], at: string) =>
  record(
    {
      'dead-letter-partition': '1',
      'dead-letter-offset': String(offset),
      'dead-letter-command-identity': id,
      'dead-letter-behind': JSON.stringify(behind),
    },
    at,
  );
const answered = (id: string, offset: number, at: string) =>
  record({ ce_id: `commands/1/${offset}`, ce_causationid: id, ce_causationform: 'id' }, at);
const judge = (deadLetters: readonly HistoryRecord[], events: readonly HistoryRecord[]) =>
  parkedTooLate({ events, deadLetters } as unknown as History).map(({ detail }) =>
    detail.slice(0, 4),
  );

/** `failed` holds `second` up, and is answered. The answer to `second` is at offset 20. */
const story = [
  parked('failed', 4, [], COMMITTED_FIRST),
  parked('second', 5, ['failed'], COMMITTED_FIRST),
];
const answers = [answered('failed', 12, COMMITTED_FIRST), answered('second', 20, COMMITTED_LAST)];

it('a command is parked too late when all that it waits for is answered', () => {
  const late = parked('late', 25, ['failed'], COMMITTED_LAST);
  expect(judge([...story, late], answers)).toEqual(['1/25']);
});

it('a command may wait for one that the same transaction answers after it', () => {
  const inTime = parked('in time', 15, ['failed'], COMMITTED_LAST);
  expect(judge([...story, inTime], answers)).toEqual([]);
});

it('a command may wait for one that the same transaction has parked before it', () => {
  const first = parked('first', 15, ['failed'], COMMITTED_LAST);
  const behindFirst = parked('behind first', 25, ['failed'], COMMITTED_LAST);
  expect(judge([...story, first, behindFirst], answers)).toEqual([]);
});
