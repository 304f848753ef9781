import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { messageSchemas, publishedSchema } from '../../../src/contract/json-schemas.ts';
import { COMMAND_TYPES } from '../../../src/domain/command-scopes.ts';
import { REJECTION_REASONS } from '../../../src/messages/rejections.ts';
import {
  anyEta,
  anyName,
  anyObject,
  anyOf,
  anyQty,
  anyQuantity,
} from '../../support/arbitrary-data.ts';

const line = { orderid: anyName, sku: anyName, qty: anyQty };
const allocated = anyObject({ ...line, batchref: anyName });
/** The schema of an order cannot say that each sku is there once. */
const orderLines = fc.uniqueArray(anyObject({ sku: anyName, qty: anyQty }), {
  maxLength: 3,
  selector: ({ sku }) => sku,
});
const text = fc.constantFrom('text', '/allocation', '1.0', 'place', '2027-01-15T09:30:00Z', '7');

const dataByType: Readonly<Record<string, fc.Arbitrary<object>>> = {
  CreateBatch: anyObject(
    { reference: anyName, sku: anyName, quantity: anyQuantity },
    { eta: anyEta },
  ),
  AllocateOrder: fc.oneof(
    anyObject(line),
    anyObject({ orderid: anyName, lines: orderLines }),
    anyObject({ orderid: anyName }, { sku: anyName, qty: anyQty, lines: orderLines }),
  ),
  ChangeBatchQuantity: anyObject({ reference: anyName, quantity: anyQuantity }),
  DeallocateOrder: anyObject({ orderid: anyName }, { sku: anyName }),
  BatchCreated: anyObject({ reference: anyName, sku: anyName, quantity: anyQuantity, eta: anyEta }),
  Allocated: allocated,
  AlreadyAllocated: allocated,
  Deallocated: allocated,
  OutOfStock: anyObject(line),
  BatchQuantityChanged: anyObject({ reference: anyName, sku: anyName, quantity: anyQuantity }),
  CommandRejected: anyObject(
    { command: anyOf(...COMMAND_TYPES), reason: anyOf(...REJECTION_REASONS), detail: anyName },
    { orderid: anyName, sku: anyName, reference: anyName },
  ),
  CompositeDomainEvent: anyObject({
    events: fc.array(
      anyObject(
        {
          specversion: anyOf('1.0'),
          id: anyName,
          source: anyOf('/allocation'),
          type: anyName,
          subject: anyName,
          time: anyOf('2027-01-15T09:30:00.000Z'),
          causationid: anyName,
          correlationid: anyName,
          datacontenttype: anyOf('application/json'),
          data: fc.constant({ any: 1 }),
        },
        { sequence: anyOf('1', '999999999999999'), causationform: anyOf('id', 'place') },
      ),
      { maxLength: 2 },
    ),
  }),
  OperatorActed: anyObject(
    {
      act: anyOf('migrate'),
      state: anyOf('begun', 'failed'),
      by: text,
      from: anyOf('cli'),
      on: anyObject({ count: anyQuantity, first: fc.array(text) }),
      options: fc.dictionary(fc.string(), fc.oneof(text, fc.integer(), fc.boolean())),
    },
    { done: anyObject({ count: anyQuantity, first: fc.array(text) }), why: text },
  ),
};

describe.each(messageSchemas())('The JSON Schema of $type, version $version', (message) => {
  const published = publishedSchema(message);
  // Unknown keywords are refused. Formats are not checked, because patterns say the same.
  const ajv = new Ajv2020({ strictTypes: false, strictRequired: false, validateFormats: false });
  const accepts = ajv.compile(published);

  it('accepts the data that the service accepts, and no other data', () => {
    const data = dataByType[message.type];
    if (!data) throw new Error(`This test needs an arbitrary of ${message.type}`);
    const outcomes = new Set<boolean>();
    fc.assert(
      fc.property(data, (each) => {
        const { success } = message.schema.safeParse(each);
        outcomes.add(success);
        expect(accepts(each)).toBe(success);
      }),
      { numRuns: 1_000 },
    );
    expect(outcomes).toEqual(new Set([true, false]));
  });

  it('is named by the dataschema of its messages', () => {
    expect(published.$id).toBe(`/allocation/schemas/${message.type}/${message.version}`);
  });

  it('describes itself and each field', () => {
    expect(published.description).toMatch(/^[A-Z].*\.$/);
    for (const [name, field] of Object.entries(published.properties as object))
      expect(field.description, name).toBeTypeOf('string');
  });
});

describe('The schemas of messages', () => {
  it.each(['AllocateOrder'])('say that %s has one line or several', (type) => {
    const message = messageSchemas().find((each) => each.type === type);
    expect(message && publishedSchema(message).oneOf).toHaveLength(2);
  });
});
