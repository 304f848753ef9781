import { describe, it } from 'vitest';
import {
  addCopy,
  applyRetention,
  at,
  change,
  type Damage,
  expectFound,
  partsOf,
  withBody,
  withHeader,
} from '../../support/damaged-history.ts';
import { REPEAT } from '../../support/right-history.ts';

const damages: readonly Damage[] = [
  [
    'a missing answer that retention has not deleted',
    'unanswered',
    (history) => {
      applyRetention(history, 'events', 2);
      history.events.splice(5, 1);
    },
  ],
  [
    'a deleted command that is answered again',
    'answered-twice',
    (history) => {
      applyRetention(history, 'commands', 7);
      addCopy(history.events, at(history.events, 3));
    },
  ],
  [
    'a deleted command that comes again and is answered again',
    'answered-twice',
    (history) => {
      applyRetention(history, 'commands', 7);
      const again = withHeader('ce_id', `commands/0/${REPEAT}`)(at(history.events, 3));
      addCopy(history.events, again);
    },
  ],
  [
    'an event for a place behind the log start without a command',
    'event-without-command',
    (history) => {
      applyRetention(history, 'commands', 7);
      history.commands.splice(2, 1);
    },
  ],
  [
    'a wrong answer that depends on deleted commands',
    'wrong-outcome',
    (history) => {
      applyRetention(history, 'commands', 7);
      const last = history.events.length - 2;
      change(
        history.events,
        last,
        withBody((body) => partsOf(body).pop()),
      );
    },
  ],
  [
    'a lost line of a deleted command',
    'database',
    (history) => {
      applyRetention(history, 'commands', 7);
      history.tables.lines.shift();
    },
  ],
];

describe('The judge of histories', () => {
  it.each(damages)('finds %s', (_, kind, damage) => expectFound(kind, damage));
});
