import { describe, it } from 'vitest';
import {
  addCopy,
  at,
  change,
  type Damage,
  expectFound,
  withBody,
  withHeader,
} from '../../support/damaged-history.ts';
import { REPEAT, UNREADABLE } from '../../support/right-history.ts';

const damages: readonly Damage[] = [
  ['a missing answer', 'unanswered', ({ events }) => events.pop()],
  ['an answer published twice', 'answered-twice', ({ events }) => addCopy(events, at(events, 3))],
  [
    'a repeated command that is answered again',
    'answered-twice',
    ({ events }) => addCopy(events, withHeader('ce_id', `commands/0/${REPEAT}`)(at(events, 3))),
  ],
  [
    'an event for a place without a command',
    'event-without-command',
    ({ events }) => addCopy(events, withHeader('ce_id', 'commands/0/99')(at(events, 3))),
  ],
  [
    'an event that is not JSON',
    'unreadable-event',
    ({ events }) => change(events, 3, (event) => ({ ...event, value: Buffer.from('{') })),
  ],
  [
    'an unreadable command that is answered',
    'answered-and-dead',
    ({ events }) => addCopy(events, withHeader('ce_id', `commands/0/${UNREADABLE}`)(at(events, 3))),
  ],
  [
    'a command with invalid data that is answered',
    'unanswered',
    ({ commands }) =>
      change(
        commands,
        3,
        withBody((body) => Object.assign(body, { qty: 0 })),
      ),
  ],
  [
    'a line allocated from the wrong batch',
    'wrong-outcome',
    ({ events }) =>
      change(
        events,
        3,
        withBody((body) => Object.assign(body, { batchref: 'a-due' })),
      ),
  ],
];

describe('The judge of histories', () => {
  it.each(damages)('finds %s', (_, kind, damage) => expectFound(kind, damage));
});
