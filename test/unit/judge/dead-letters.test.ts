import { describe, it } from 'vitest';
import {
  addCopy,
  at,
  change,
  type Damage,
  expectFound,
  failLast,
  moveToDeadLetters,
} from '../../support/damaged-history.ts';
import { LAST, UNREADABLE } from '../../support/right-history.ts';

const damages: readonly Damage[] = [
  [
    'a dead letter published twice',
    'dead-letter-twice',
    ({ deadLetters }) => addCopy(deadLetters, at(deadLetters, 0)),
  ],
  [
    'a good command among the dead letters',
    'dead-for-nothing',
    (history) => failLast(history, 'handler-failed'),
  ],
  [
    'a good command that is called malformed',
    'dead-for-nothing',
    (history) => failLast(history, 'malformed'),
  ],
  [
    'a command that is parked although none has failed',
    'dead-for-nothing',
    (history) => failLast(history, 'parked-behind'),
  ],
  [
    'a dead letter for a place without a command',
    'dead-letter-without-command',
    (history) => moveToDeadLetters(history, UNREADABLE + 8, 'malformed'),
  ],
  [
    'a dead letter that differs from its command',
    'altered-letter',
    ({ deadLetters }) =>
      change(deadLetters, 0, (letter) => ({ ...letter, value: Buffer.from('"another"') })),
  ],
  [
    'a dead letter without the headers of its command',
    'altered-letter',
    (history) => {
      failLast(history, 'handler-failed');
      change(history.commands, LAST, (command) => ({
        ...command,
        headers: { 'of-the-sender': 'x' },
      }));
    },
  ],
];

describe('The judge of histories', () => {
  it.each(damages)('finds %s', (_, kind, damage) => expectFound(kind, damage));
});
