import { describe, it } from 'vitest';
import { at, type Damage, expectFound, failLast } from '../../support/damaged-history.ts';
import { type Draft, LAST, REPEAT, UNREADABLE } from '../../support/right-history.ts';

/** Puts an answer into the outbox. */
function leaveInOutbox({ tables }: Draft, nextOffset: number): void {
  tables.outbox.push({ topic: 'commands', partition: 0, nextOffset });
}

const damages: readonly Damage[] = [
  [
    'a batch with more allocated than it has',
    'oversold',
    ({ tables }) => Object.assign(at(tables.batches, 2), { allocated: 6 }),
  ],
  ['a line that the database has lost', 'database', ({ tables }) => tables.lines.pop()],
  [
    'a line that no command asked for',
    'database',
    ({ tables }) => tables.lines.push({ orderid: 'x', sku: 'a', qty: 1, batchref: 'a-due' }),
  ],
  [
    'a product whose version differs from its events',
    'database',
    ({ tables }) => Object.assign(at(tables.products, 0), { version: 1 }),
  ],
  [
    'a quantity that no event has set',
    'database',
    ({ tables }) => Object.assign(at(tables.batches, 0), { quantity: 4 }),
  ],
  [
    'an answered command whose id is not stored',
    'processed-ids',
    ({ tables }) => tables.processedIds.delete('id-3'),
  ],
  [
    'a stored id of a command that was not handled',
    'processed-ids',
    ({ tables }) => tables.processedIds.add('id-99'),
  ],
  [
    'a stored id of a command among the dead letters',
    'processed-ids',
    (history) => {
      failLast(history, 'handler-failed');
      history.tables.processedIds.add(`id-${LAST}`);
    },
  ],
  [
    'an unpublished answer in the outbox',
    'outbox',
    (history) => leaveInOutbox(history, UNREADABLE + 2),
  ],
  ['a published answer in the outbox', 'outbox', (history) => leaveInOutbox(history, REPEAT)],
  ['a command that stays parked', 'still-parked', ({ tables }) => tables.parkedIds.push('id-99')],
  [
    'a group and a database that stand beyond the end',
    'positions',
    ({ tables, committedOffsets }) => {
      at(tables.positions, 0).nextOffset += 1;
      committedOffsets.set(0, at(tables.positions, 0).nextOffset);
    },
  ],
  [
    'a committed offset in a partition without commands',
    'positions',
    ({ ends, committedOffsets }) => {
      ends.set(1, 0);
      committedOffsets.set(1, 1);
    },
  ],
  [
    'a group that is behind the database',
    'positions',
    ({ committedOffsets }) => committedOffsets.set(0, 5),
  ],
  [
    'a database that is behind the last command',
    'positions',
    ({ tables, committedOffsets }) => {
      at(tables.positions, 0).nextOffset = 5;
      committedOffsets.set(0, 5);
    },
  ],
];

describe('The judge of histories', () => {
  it.each(damages)('finds %s', (_, kind, damage) => expectFound(kind, damage));
});
