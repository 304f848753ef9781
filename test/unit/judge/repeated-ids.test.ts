import { describe, it } from 'vitest';
import {
  at,
  change,
  type Damage,
  damageAnswer,
  expectFound,
  withBody,
} from '../../support/damaged-history.ts';
import type { HistoryRecord } from '../../support/judge/history.ts';
import { LAST, order, TRACED } from '../../support/right-history.ts';

function idOf({ value }: HistoryRecord): string {
  return JSON.parse(String(value)).id;
}

/** Adds an order with this id before all other commands. */
function addEarlierOrder(commands: HistoryRecord[], id: string, orderid: string): void {
  const value = Buffer.from(JSON.stringify({ id, ...order(orderid, 'a', 1) }));
  commands.unshift({ ...at(commands, 0), offset: -1, value });
}

const damages: readonly Damage[] = [
  [
    'an unanswered command whose id another source has used',
    'unanswered',
    ({ commands }) => {
      const headers = {
        ce_specversion: '1.0',
        ce_id: 'id-3',
        ce_source: '/shop',
        ce_type: 'AllocateOrder',
      };
      const value = Buffer.from(JSON.stringify({ orderid: 'elsewhere', sku: 'a', qty: 1 }));
      commands.push({ ...at(commands, 0), offset: commands.length, value, headers });
    },
  ],
  [
    'a command that is answered only where it comes again',
    'wrong-repeat',
    ({ commands }) => addEarlierOrder(commands, idOf(at(commands, LAST)), 'other words'),
  ],
  [
    'an earlier command with the same id and another body',
    'another-body',
    ({ commands }) => addEarlierOrder(commands, idOf(at(commands, LAST)), 'another'),
  ],
  [
    'an answer to a later body with the same id',
    'another-body',
    (history) => {
      const { commands } = history;
      const id = idOf(at(commands, TRACED));
      const value = Buffer.from(JSON.stringify({ id, ...order('another', 'a', 4) }));
      commands.push({ ...at(commands, 0), offset: commands.length, value });
      damageAnswer(withBody((body) => Object.assign(body, { orderid: 'another' })))(history);
    },
  ],
  [
    'two answered bodies with the same id',
    'another-body',
    ({ commands }) => {
      const id = idOf(at(commands, TRACED));
      change(
        commands,
        LAST,
        withBody((body) => Object.assign(body, { id })),
      );
    },
  ],
];

describe('The judge of histories', () => {
  it.each(damages)('finds %s', (_, kind, damage) => expectFound(kind, damage));
});
