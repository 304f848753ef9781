import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { WireMessage } from '../../../src/messages/cloud-events.ts';
import { readAnswer } from '../../../src/messages/read-answer.ts';
import { composite, data, headers, inside, record } from '../../support/answer-records.ts';

describe('a foreign record', () => {
  const ofType = (type: string) => ({ ce_type: type, ce_dataschema: undefined });

  it.each<[string, WireMessage, string]>([
    ['without a source', record(data, { ce_source: undefined }), 'source is absent'],
    ['of another source', record(data, { ce_source: '/shop' }), 'source is "/shop"'],
    [
      'with a header that comes twice',
      record(data, { ce_source: ['/allocation', '/allocation'] }),
      'ce_source came 2 times',
    ],
    [
      'with a header that is not UTF-8',
      record(data, { ce_time: Buffer.from([0xff]) }),
      'ce_time is not UTF-8',
    ],
    ['without an id', record(data, { ce_id: undefined }), 'id absent'],
    ['whose id is not a place', record(data, { ce_id: 'b5c1' }), 'id "b5c1"'],
    [
      'whose id is the place of an event inside',
      record(data, { ce_id: 'commands/1/9/1' }),
      'id "commands/1/9/1"',
    ],
    [
      'whose id has too large an offset',
      record(data, { ce_id: 'commands/0/9999999999999999' }),
      'id "commands/0/9',
    ],
    [
      'whose id has an offset with a leading zero',
      record(data, { ce_id: 'commands/0/07' }),
      'id "commands/0/07"',
    ],
    [
      'with an unknown causationform',
      record(data, { ce_causationform: 'other' }),
      'causationform "other"',
    ],
    [
      'with an invalid causationsource',
      record(data, { ce_causationsource: 'a\nb' }),
      'causationsource "a\\nb" is not the source',
    ],
    ['without a causationid', record(data, { ce_causationid: undefined }), 'causationid absent'],
    ['with an invalid time', record(data, { ce_time: 'yesterday' }), 'time "yesterday"'],
    ['that is a tombstone', { value: null, headers }, 'tombstone'],
    ['that is not JSON', { value: Buffer.from('{'), headers }, 'not JSON'],
    ['that is not an object', record([]), 'must be a JSON object, not an array'],
    ['without a type', record(data, { ce_type: undefined }), 'absent is not an event'],
    ['of an unknown type', record(data, { ce_type: 'Shipped' }), '"Shipped" is not an event'],
    [
      'of a type from the prototype',
      record(data, { ce_type: 'constructor' }),
      '"constructor" is not an event',
    ],
    [
      'of a newer version',
      record(data, { ce_dataschema: '/allocation/schemas/Allocated/2' }),
      'version 2, but this service knows versions up to',
    ],
    [
      'with the schema of another type',
      record(data, { ce_dataschema: '/allocation/schemas/OutOfStock/1' }),
      'not a schema of Allocated',
    ],
    [
      'with a schema of another service',
      record(data, { ce_dataschema: 'https://example.org/a' }),
      "not one of this service's",
    ],
    ['without a sequence', record(data, { ce_sequence: undefined }), 'sequence absent'],
    ['with the sequence 0', record(data, { ce_sequence: '0' }), 'sequence "0"'],
    [
      'with a sequence that is not a number',
      record(data, { ce_sequence: '1e3' }),
      'sequence "1e3"',
    ],
    ['with a sequence beyond 2^53', record(data, { ce_sequence: '9007199254740992' }), 'sequence'],
    ['without a sku', record({ ...data, sku: undefined }), 'Allocated: sku'],
    ['with a control character', record({ ...data, batchref: 'a\u0000' }), 'Allocated: batchref'],
    [
      'with a qty of 0',
      record({ ...data, qty: 0 }),
      'Allocated: qty must be a whole number from 1',
    ],
    ['with a qty that is text', record({ ...data, qty: '2' }), 'Allocated: qty'],
    [
      'with an invalid date',
      record({ reference: 'b', sku: 'S', quantity: 0, eta: '2026-02-30' }, ofType('BatchCreated')),
      'eta',
    ],
    [
      'with a date in a list',
      record(
        { reference: 'b', sku: 'S', quantity: 0, eta: ['2027-01-31'] },
        ofType('BatchCreated'),
      ),
      'eta',
    ],
    [
      'with a missing date',
      record({ reference: 'b', sku: 'S', quantity: 0 }, ofType('BatchCreated')),
      'eta',
    ],
    [
      'with an unknown reason',
      record({ command: 'CreateBatch', reason: 'mood', detail: '' }, ofType('CommandRejected')),
      'reason must be one of unknown-sku, unknown-batch, ',
    ],
    [
      'with an unknown command',
      record({ command: 'Ship', reason: 'unknown-sku', detail: '' }, ofType('CommandRejected')),
      'command',
    ],
    [
      'without a detail',
      record({ command: 'CreateBatch', reason: 'unknown-sku' }, ofType('CommandRejected')),
      'CommandRejected: detail must be a string',
    ],
    ['whose events are not an array', composite(null), 'CompositeDomainEvent: events'],
    ['with an empty list of events', composite([]), 'CompositeDomainEvent: events'],
    ['with an event inside that is not an object', composite([inside, 7]), 'must be a JSON object'],
    [
      'with an event inside of another source',
      composite([{ ...inside, source: '/shop' }]),
      '"/shop"',
    ],
    [
      'with an event inside of another command',
      composite([{ ...inside, id: 'shop.commands/1/90/1' }]),
      'not shop.commands/1/9/',
    ],
    [
      'with an event inside whose id is a number',
      composite([{ ...inside, id: 7 }]),
      'An event inside has the id 7',
    ],
    [
      'with an event inside whose type is a list',
      composite([{ ...inside, type: ['Allocated'] }]),
      'an array is not an event',
    ],
    [
      'with an event inside whose sequence is a number',
      composite([{ ...inside, sequence: 3 }]),
      'sequence 3, not a number from 1',
    ],
    [
      'with a composite inside',
      composite([{ ...inside, type: 'CompositeDomainEvent' }]),
      'is not an event',
    ],
    [
      'with an event inside of a newer version',
      composite([inside, { ...inside, dataschema: '/allocation/schemas/Allocated/7' }]),
      'version 7',
    ],
    [
      'with an event inside whose dataschema is a number',
      composite([{ ...inside, dataschema: 1 }]),
      'dataschema 1',
    ],
    [
      'with an event inside without data',
      composite([{ ...inside, data: undefined }]),
      'must be a JSON object, not absent',
    ],
  ])('%s is reported with the reason', (_, message, word) => {
    const isOurs =
      message.headers.ce_source === headers.ce_source && message.headers.ce_id === headers.ce_id;
    expect(readAnswer(message)).toEqual({
      kind: 'foreign',
      message: expect.stringContaining(word),
      isOurs,
    });
  });

  it('never makes reading throw, whatever its bytes and headers are', () => {
    const field = fc.constantFrom(
      'orderid',
      'sku',
      'qty',
      'batchref',
      'reference',
      'quantity',
      'eta',
      'events',
      'type',
      'id',
      'data',
      '__proto__',
    );
    const type = fc.constantFrom(
      ...[
        'Allocated',
        'BatchCreated',
        'CommandRejected',
        'OutOfStock',
        'CompositeDomainEvent',
        'toString',
      ],
    );
    const value = fc.oneof(
      fc.jsonValue(),
      fc.dictionary(
        field,
        fc.oneof(fc.jsonValue(), fc.array(fc.dictionary(field, fc.jsonValue()))),
      ),
    );
    const header = fc.oneof(
      fc.string(),
      fc.uint8Array().map(Buffer.from),
      fc.array(fc.string(), { maxLength: 2 }),
    );
    const name = fc.constantFrom('ce_dataschema', 'ce_id', 'ce_time', 'ce_sequence', '__proto__');
    fc.assert(
      fc.property(
        value,
        type,
        fc.dictionary(name, header, { maxKeys: 1 }),
        (body, ce_type, more) => {
          expect(['answer', 'foreign']).toContain(
            readAnswer(record(body, { ...ofType(ce_type), ...more })).kind,
          );
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
