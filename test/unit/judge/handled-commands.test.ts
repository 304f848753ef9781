import { describe, expect, it } from 'vitest';
import { DeletedRecords } from '../../support/judge/deleted-records.ts';
import type { LaneCommand, Letter } from '../../support/judge/evidence.ts';
import { handledCommands } from '../../support/judge/handled-commands.ts';
import { rightHistory } from '../../support/right-history.ts';

/** Returns a copy of a repeated `CreateBatch`, which no event answers. */
function copyAt(offset: number, resolution?: string): LaneCommand {
  const letter = { reason: 'parked-behind', resolution } as Letter;
  return {
    ...{ id: 'again', source: '/shop', isPlace: false, identity: '/shop\tagain' },
    ...{ correlationId: 'again', traceparent: null },
    ...{ place: `commands/0/${offset}`, partition: 0, offset },
    body: { type: 'CreateBatch', reference: 'there', sku: 'a', quantity: 1 },
    answer: null,
    letter: resolution === undefined ? null : letter,
  };
}

/** Returns the offsets that the lane has handled, and the kinds of what is reported. */
function judge(copies: readonly LaneCommand[]) {
  const reported: string[] = [];
  const lanes = handledCommands(copies, [], new DeletedRecords(rightHistory()), {}, (kind) =>
    reported.push(kind),
  );
  return { handled: lanes.flat().map(({ offset }) => offset), reported };
}

describe('A command that no event answers', () => {
  it('was handled where it came first', () => {
    expect(judge([copyAt(4), copyAt(5)])).toEqual({ handled: [4], reported: [] });
  });

  it('was handled where it came last, if copies came while it was parked', () => {
    const copies = [copyAt(4, 'redriven'), copyAt(5), copyAt(9)];
    expect(judge(copies)).toEqual({ handled: [9], reported: [] });
  });

  it('was lost, if it never came again after the last redrive', () => {
    const copies = [copyAt(4, 'redriven'), copyAt(5), copyAt(9, 'redriven')];
    expect(judge(copies)).toEqual({ handled: [], reported: ['unanswered'] });
  });
});
