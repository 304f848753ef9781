import { describe, it } from 'vitest';
import {
  addCopy,
  at,
  change,
  type Damage,
  damageComposite,
  expectFound,
  partsOf,
  splitFirstComposite,
  swapWithNext,
  withBody,
  withHeader,
} from '../../support/damaged-history.ts';

const damages: readonly Damage[] = [
  [
    'a composite without its last part',
    'torn-composite',
    damageComposite(withBody((body) => partsOf(body).splice(1))),
  ],
  [
    'a composite whose events are not a list',
    'unreadable-event',
    damageComposite(withBody((body) => Object.assign(body, { events: 1 }))),
  ],
  [
    'the missing second message of a composite',
    'wrong-outcome',
    (history) => history.events.splice(splitFirstComposite(history) + 1, 1),
  ],
  [
    'the missing first message of a composite',
    'torn-composite',
    (history) => history.events.splice(splitFirstComposite(history), 1),
  ],
  [
    'messages of a composite in the wrong order',
    'torn-composite',
    (history) => swapWithNext(history.events, splitFirstComposite(history)),
  ],
  [
    'an answer between the messages of a composite',
    'out-of-order',
    (history) => swapWithNext(history.events, splitFirstComposite(history) + 1),
  ],
  [
    'the second message of a composite published twice',
    'answered-twice',
    (history) => {
      const second = splitFirstComposite(history) + 1;
      addCopy(history.events, at(history.events, second));
    },
  ],
  [
    'the second message of a composite that names another command',
    'wrong-id',
    (history) => {
      const second = splitFirstComposite(history) + 1;
      change(history.events, second, withHeader('ce_causationid', 'id-9'));
    },
  ],
];

describe('The judge of histories', () => {
  it.each(damages)('finds %s', (_, kind, damage) => expectFound(kind, damage));
});
