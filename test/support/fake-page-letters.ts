import { at, HOSTILE } from './fake-page-data.ts';

/* The dead letters that the fake API has. */

export const DEAD_LETTERS = 100_000;

/** The service has read the whole topic. */
export const WHOLE = { isComplete: true, readOffsets: 5, totalOffsets: 5, leftOut: 0 };

const REASONS = [
  ['handler-failed', 'Stock of CHAIR-7 is locked by a report (55P03)', 'AllocateOrder'],
  ['invalid-data', 'AllocateOrder: qty must be at least 1', 'AllocateOrder'],
  ['parked-behind', 'Behind allocation.dead-letters/0/0', 'DeallocateOrder'],
  ['unknown-type', 'Unknown command "AllocateOrdre": did you mean AllocateOrder?', 'AllocateOrdre'],
] as const;

const WHAT_TO_DO: Readonly<Record<string, string>> = {
  'handler-failed': 'Mend the cause, then redrive: what is parked behind goes out with it.',
  'invalid-data': 'Edit the fields that the message names, and redrive.',
  'parked-behind': 'Redrive the failed command: this one follows it.',
  'unknown-type': 'Correct the type and redrive, or update the service first.',
};

/** The dead letter with this number, from 0. */
export function letterOf(number: number) {
  const [reason, cause, type] = REASONS[number % REASONS.length] ?? REASONS[0];
  const isHostile = number % 10 === 1;
  return {
    id: `allocation.dead-letters/0/${number}`,
    place: `allocation.commands/${number % 4}/${180_000 + number}`,
    at: at(number / 50),
    reason,
    cause: isHostile ? `${cause} ${HOSTILE}` : cause,
    type,
    sku: isHostile ? HOSTILE : `CHAIR-${number % 40}`,
    orderid: isHostile ? HOSTILE : `order-${number}`,
    commandId: `cmd-${number}`,
    status: 'open',
    parkedBehind: reason === 'parked-behind' ? 'allocation.dead-letters/0/0' : null,
    outlook: reason === 'handler-failed' ? 'good' : 'fails-again',
  };
}

export function wholeLetterOf(number: number) {
  const letter = letterOf(number);
  const { reason, cause, type, orderid, sku } = letter;
  const isPoisoned = reason === 'handler-failed';
  const data = { orderid, sku, qty: isPoisoned ? 2 : 0 };
  return {
    ...letter,
    message: cause,
    key: sku,
    headers: [
      ['ce_id', `cmd-${number}`],
      ['ce_type', type],
      ['trace', HOSTILE],
    ],
    data: JSON.stringify({ type, ...data }),
    encoding: 'utf-8',
    command: { type, data },
    inPlainWords: isPoisoned
      ? 'The message made a handler fail, four times in a row.'
      : 'The message has wrong data, or data of an unknown version.',
    whatToDo: WHAT_TO_DO[reason] ?? '',
    expected: { failure: isPoisoned ? null : cause, ignored: [] },
    redrives: 1,
    chain: [0, 2, 6].map((next) => `allocation.dead-letters/0/${number + next}`),
    hasMoreChain: false,
    acts: [{ act: 'redrive', by: 'Night shift', at: at(400) }],
  };
}

export function previewOf(count: number) {
  const records = Array.from({ length: Math.min(count, 100) }, (_, number) => {
    const { id, place, type, sku, commandId } = letterOf(number);
    const expected = { failure: null, ignored: [] };
    return { id, act: 'redrive', place, key: sku, type, commandId, expected };
  });
  const none = { refusalCount: 0, refusals: [], alreadyResolved: 0, failsAgain: 0 };
  return { count, discardCount: 0, records, ...none, ignoresFields: 0, replacement: null };
}

export function groupsOf(letters: number) {
  const groups = REASONS.map(([reason, cause, type], index) => ({
    reason,
    cause,
    type,
    count: Math.ceil((letters - index) / REASONS.length),
    oldestAt: at(index / 50),
    whatToDo: WHAT_TO_DO[reason],
  }));
  return { groups: letters === 0 ? [] : groups, total: letters, ...WHOLE };
}
