import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { COMMAND_TYPES } from '../../../src/domain/command-scopes.ts';
import type { Event } from '../../../src/domain/events.ts';
import { deadLetterHeaders } from '../../../src/messages/dead-letter-headers.ts';
import { eventHeaders } from '../../../src/messages/event-attributes.ts';
import { checkComposite, eventChecks } from '../../../src/messages/event-checks.ts';
import { compositeSchema, eventSchemas } from '../../../src/messages/event-schemas.ts';
import { REJECTION_REASONS } from '../../../src/messages/rejections.ts';
import { UnfitDataError } from '../../../src/messages/versions.ts';
import {
  anyEta,
  anyName,
  anyObject,
  anyOf,
  anyQty,
  anyQuantity,
} from '../../support/arbitrary-data.ts';
import { messagesOfToday } from '../../support/messages-of-today.ts';

const line = { orderid: anyName, sku: anyName, qty: anyQty };
const names = { orderid: anyName, sku: anyName, reference: anyName };

const dataByType: Readonly<Record<Event['type'], fc.Arbitrary<Record<string, unknown>>>> = {
  BatchCreated: anyObject({ reference: anyName, sku: anyName, quantity: anyQuantity, eta: anyEta }),
  Allocated: anyObject({ ...line, batchref: anyName }),
  AlreadyAllocated: anyObject({ ...line, batchref: anyName }),
  Deallocated: anyObject({ ...line, batchref: anyName }),
  OutOfStock: anyObject(line),
  BatchQuantityChanged: anyObject({ reference: anyName, sku: anyName, quantity: anyQuantity }),
  CommandRejected: anyObject(
    {
      command: anyOf(...COMMAND_TYPES),
      reason: anyOf(...REJECTION_REASONS),
      detail: fc.oneof(fc.string(), anyName),
    },
    names,
  ),
};

/** Returns what a check accepts; null: the check refuses the data. */
function checked(type: Event['type'], data: Record<string, unknown>): object | null {
  try {
    return eventChecks[type](data);
  } catch (error) {
    expect(error).toBeInstanceOf(UnfitDataError);
    return null;
  }
}

describe.each(Object.keys(dataByType) as Event['type'][])('The check of %s', (type) => {
  it('accepts what its schema accepts, and reads the same', () => {
    const outcomes = new Set<boolean>();
    fc.assert(
      fc.property(dataByType[type], (data) => {
        const accepted = checked(type, data);
        outcomes.add(accepted !== null);
        const { success, data: parsed } = eventSchemas[type].safeParse(data);
        expect(accepted).toEqual(success ? parsed : null);
      }),
      { numRuns: 1_000 },
    );
    expect(outcomes).toEqual(new Set([true, false]));
  });
});

describe('The check of a name', () => {
  it.each(['\ud800', 'a\udc00b'])('refuses halves of surrogate pairs: %j', (sku) => {
    const data = { orderid: 'order-1', sku, qty: 1 };
    expect(checked('OutOfStock', data)).toBeNull();
    expect(eventSchemas.OutOfStock.safeParse(data).success).toBe(false);
  });
});

describe('The check of a composite', () => {
  it.each([{}, { events: [] }, { events: null }, { events: { 0: {} } }])(
    'refuses %j, as the schema does',
    (data) => {
      expect(() => checkComposite(data)).toThrow(UnfitDataError);
      expect(compositeSchema.safeParse(data).success).toBe(false);
    },
  );
});

describe('The schemas', () => {
  const records = messagesOfToday();
  const events = records.filter(({ topic }) => topic === 'events');
  const letters = records.filter(({ topic }) => topic === 'dead-letters');

  it('accept every event and composite of today', () => {
    expect(events.length).toBeGreaterThan(10);
    const schemas = { ...eventSchemas, CompositeDomainEvent: compositeSchema };
    for (const { headers, value } of events) {
      const schema = schemas[headers.ce_type as keyof typeof schemas];
      expect(schema.safeParse(JSON.parse(value ?? '')).error).toBeUndefined();
    }
  });

  it('describe every header of an event', () => {
    for (const { headers } of events)
      expect(eventHeaders.strict().safeParse(headers).error).toBeUndefined();
  });

  it('describe every header of a dead letter', () => {
    expect(letters.length).toBeGreaterThan(2);
    for (const { headers } of letters) {
      const own = Object.entries(headers).filter(([name]) => name.startsWith('dead-letter-'));
      const { error } = deadLetterHeaders.strict().safeParse(Object.fromEntries(own));
      expect(error).toBeUndefined();
    }
  });
});
