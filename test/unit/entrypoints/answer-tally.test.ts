import { expect, it } from 'vitest';
import type { Event } from '../../../src/domain/events.ts';
import { EVENT_TYPES, OUTCOMES, tallyAnswers } from '../../../src/entrypoints/answer-tally.ts';
import type { IncomingCommand } from '../../../src/messages/read-command.ts';
import { unreadable } from '../../../src/messages/unreadable.ts';

const incoming: IncomingCommand = {
  kind: 'command',
  id: 'id',
  identity: 'id',
  correlationId: 'id',
  traceparent: null,
  command: { type: 'DeallocateOrder', orderid: 'o', sku: null },
};
const line = { orderid: 'o', sku: 'LAMP', qty: 1, version: 1 };
const rejected: Event = {
  type: 'CommandRejected',
  command: 'DeallocateOrder',
  reason: 'line-differs',
  detail: '',
};
const parked = { id: 'id', subjects: [], position: 1, isRedriven: false };

/** Returns the counts that are not 0. */
function counted(counts: Readonly<Record<string, number>>) {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0));
}
const tally = (events: readonly Event[] | null, behind: readonly string[] | null = null) =>
  tallyAnswers(
    [{ incoming }],
    [{ incoming, events, parked: behind && { ...parked, behind: [...behind] } }],
  );
const outcomeOf = (...[events, behind]: Parameters<typeof tally>) =>
  counted(tally(events, behind).commands.DeallocateOrder);

it('an answer without a rejection counts as accepted', () => {
  expect(outcomeOf([])).toEqual({ accepted: 1 });
  expect(outcomeOf([{ type: 'Allocated', batchref: 'b', ...line }])).toEqual({ accepted: 1 });
});

it('an answer counts as rejected if a part of it is, whatever comes before or after', () => {
  const outOfStock: Event = { type: 'OutOfStock', ...line };
  expect(outcomeOf([outOfStock])).toEqual({ 'out-of-stock': 1 });
  expect(outcomeOf([rejected, outOfStock])).toEqual({ rejected: 1 });
  expect(outcomeOf([outOfStock, rejected])).toEqual({ rejected: 1 });
});

it('a command without an answer is a dead letter, or parked behind another one', () => {
  expect(outcomeOf(null)).toEqual({ 'dead-letter': 1 });
  expect(outcomeOf(null, [])).toEqual({ 'dead-letter': 1 });
  expect(outcomeOf(null, ['first'])).toEqual({ parked: 1 });
});

it('each event and each reason of a rejection counts', () => {
  const { events, rejections } = tally([rejected, rejected, { type: 'OutOfStock', ...line }]);
  expect(counted(events)).toEqual({ CommandRejected: 2, OutOfStock: 1 });
  expect(counted(rejections)).toEqual({ 'line-differs': 2 });
});

it('a record without an answer repeats a command', () => {
  const foreign = { incoming: unreadable('malformed', '') };
  const answer = { ...foreign, events: null, parked: null };
  const { commands } = tallyAnswers([{ incoming }, foreign, foreign], [answer]);
  expect(counted(commands.DeallocateOrder)).toEqual({ repeated: 1 });
  expect(counted(commands.unreadable)).toEqual({ 'dead-letter': 1, repeated: 1 });
});

it('every outcome and every type of event is listed', () => {
  expect(OUTCOMES).toHaveLength(6);
  expect(EVENT_TYPES).toHaveLength(7);
});
