import { describe, expect, it } from 'vitest';
import type { Event } from '../../../src/domain/events.ts';
import { estimateAnswerBytes } from '../../../src/entrypoints/answer-bytes.ts';
import type { RecordAnswer } from '../../../src/entrypoints/answer-context.ts';
import type { IncomingCommand } from '../../../src/messages/read-command.ts';
import { unreadable } from '../../../src/messages/unreadable.ts';

const EVENT_BYTES = 450;
const LETTER_BYTES = 1_000;

const record = {
  topic: 'commands',
  partition: 0,
  offset: 0,
  timestampMs: 0,
  key: null,
  value: Buffer.alloc(30),
  headers: {},
};
const incoming: IncomingCommand = {
  kind: 'command',
  id: 'abc',
  identity: '/shop\tabc',
  correlationId: 'session',
  traceparent: null,
  command: { type: 'AllocateOrder', orderid: 'o', lines: [] },
};
const outOfStock: Event = { type: 'OutOfStock', orderid: 'o1', sku: 'LAMP', qty: 7, version: 1 };
/** The id, the source and the correlation id of the command. */
const IDS = 'abc'.length + '/shop'.length + 'session'.length;
/** The texts of the event: its type, order and sku. */
const NAMES = 'OutOfStock'.length + 'o1'.length + 'LAMP'.length;

const estimate = (changes: Partial<RecordAnswer>) =>
  estimateAnswerBytes({ record, incoming, events: [], parked: null, ...changes });

describe('The estimate of an answer', () => {
  it('counts the ids of the command for each event, and the names of the event twice', () => {
    const one = EVENT_BYTES + IDS + 2 * NAMES;
    expect(estimate({ events: [outOfStock] })).toBe(one);
    expect(estimate({ events: [outOfStock, outOfStock] })).toBe(2 * one);
  });

  it('counts no source of a command without one', () => {
    const plain = { ...incoming, identity: 'abc' };
    expect(estimate({ incoming: plain, events: [outOfStock] })).toBe(
      EVENT_BYTES + IDS - '/shop'.length + 2 * NAMES,
    );
  });

  it('of a command without events is 0', () => {
    expect(estimate({ events: [] })).toBe(0);
  });

  it('of a dead letter counts its message', () => {
    expect(estimate({ events: null })).toBe(LETTER_BYTES + 30);
    expect(estimate({ events: null, record: { ...record, value: null } })).toBe(LETTER_BYTES);
  });

  it('of an unreadable message is that of a dead letter', () => {
    expect(estimate({ incoming: unreadable('malformed', 'why') })).toBe(LETTER_BYTES + 30);
  });

  it('of a parked command counts its lists too', () => {
    const parked = { id: 'i', subjects: ['sku:LAMP'], behind: ['first', 'b'], position: 1 };
    expect(estimate({ events: null, parked: { ...parked, isRedriven: false } })).toBe(
      LETTER_BYTES + 30 + 'sku:LAMP'.length + 'first'.length + 'b'.length,
    );
  });
});
