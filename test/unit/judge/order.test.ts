import { describe, it } from 'vitest';
import {
  applyRetention,
  change,
  type Damage,
  expectFound,
  swapWithNext,
  withHeader,
} from '../../support/damaged-history.ts';

const damages: readonly Damage[] = [
  ['two answers in the wrong order', 'out-of-order', ({ events }) => swapWithNext(events, 3)],
  [
    'an answer in another partition than the others of its subject',
    'scattered',
    ({ events }) => change(events, 3, (event) => ({ ...event, partition: 1 })),
  ],
  [
    'a gap in the sequence numbers',
    'sequence',
    ({ events }) => change(events, 3, withHeader('ce_sequence', '30')),
  ],
  [
    'a sequence number twice after retention has deleted events',
    'sequence',
    (history) => {
      applyRetention(history, 'events', 2);
      change(history.events, 2, withHeader('ce_sequence', '3'));
    },
  ],
  [
    'sequence numbers that fall while the offsets rise',
    'sequence',
    ({ events }) => swapWithNext(events, 3),
  ],
  [
    'sequence numbers that contradict the order of the lane',
    'no-possible-order',
    ({ events }) => {
      change(events, 3, withHeader('ce_sequence', '4'));
      change(events, 4, withHeader('ce_sequence', '3'));
    },
  ],
];

describe('The judge of histories', () => {
  it.each(damages)('finds %s', (_, kind, damage) => expectFound(kind, damage));
});
