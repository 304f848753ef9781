const order = (fields: object) => ({
  type: 'AllocateOrder',
  orderid: 'order',
  sku: 'SKU',
  qty: 1,
  ...fields,
});
const text = (value: string) => ({ value });
const cloudEvent = {
  ce_specversion: '1.0',
  ce_id: 'id',
  ce_source: '/shop',
  ce_type: 'AllocateOrder',
  'content-type': 'application/json',
};
const MEBIBYTE = 1024 * 1024;

/**
 * Messages that become dead letters: name, record, reason, and a word that the message of the dead
 * letter must contain.
 */
export const badMessages: [name: string, record: object, reason: string, word: string][] = [
  ['text that is no JSON', text('allocate, please'), 'malformed', 'JSON'],
  ['JSON of another shape: an array', text('[1,2]'), 'malformed', 'object'],
  ['JSON of another shape: a number', text('7'), 'malformed', 'object'],
  ['JSON null', text('null'), 'malformed', 'object'],
  ['an object that names no type', text('{"orderid":"o"}'), 'unknown-type', 'type'],
  ['invalid UTF-8', { value: Buffer.from([0x7b, 0xff, 0xfe, 0x7d]) }, 'malformed', 'UTF-8'],
  ['an empty value', text(''), 'malformed', 'empty'],
  ['a tombstone', { value: null }, 'malformed', 'tombstone'],
  ['an unknown type', { type: 'ShipOrder' }, 'unknown-type', 'ShipOrder'],
  ['a type from the prototype', { type: 'constructor' }, 'unknown-type', 'constructor'],
  [
    'wrong types',
    { type: 'CreateBatch', reference: 1, sku: true, quantity: 'x', eta: 5 },
    'invalid-data',
    'reference',
  ],
  ['qty 0', order({ qty: 0 }), 'invalid-data', 'qty'],
  ['qty -1', order({ qty: -1 }), 'invalid-data', 'qty'],
  ['qty 1.5', order({ qty: 1.5 }), 'invalid-data', 'qty'],
  ['qty 2^53', order({ qty: 2 ** 53 }), 'invalid-data', 'qty'],
  ['qty "3"', order({ qty: '3' }), 'invalid-data', 'qty'],
  [
    '501 lines',
    {
      type: 'AllocateOrder',
      orderid: 'o',
      lines: Array.from({ length: 501 }, (_, n) => ({ sku: `S${n}`, qty: 1 })),
    },
    'invalid-data',
    '500',
  ],
  ['no lines', { type: 'AllocateOrder', orderid: 'o', lines: [] }, 'invalid-data', 'lines'],
  [
    'a sku twice',
    {
      type: 'AllocateOrder',
      orderid: 'o',
      lines: [
        { sku: 'S', qty: 1 },
        { sku: 'S', qty: 2 },
      ],
    },
    'invalid-data',
    'twice',
  ],
  ['a line and lines', order({ lines: [{ sku: 'S', qty: 1 }] }), 'invalid-data', 'together'],
  ['256 characters', order({ orderid: 'o'.repeat(256) }), 'invalid-data', 'orderid'],
  ['an empty orderid', order({ orderid: '' }), 'invalid-data', 'orderid'],
  ['a control character', order({ orderid: 'a\u0007b' }), 'invalid-data', 'control'],
  ['NUL', order({ sku: 'a\u0000b' }), 'invalid-data', 'control'],
  [
    'a lone surrogate',
    text('{"type":"AllocateOrder","orderid":"\\ud800","sku":"S","qty":1}'),
    'invalid-data',
    'orderid',
  ],
  [
    '1 MiB + 1 byte',
    text(JSON.stringify(order({})).padEnd(MEBIBYTE + 1)),
    'too-large',
    String(MEBIBYTE),
  ],
  [
    'a wrong ce_specversion',
    { value: '{}', headers: { ...cloudEvent, ce_specversion: '0.3' } },
    'malformed',
    'specversion',
  ],
  [
    'a CloudEvent without an id',
    { value: '{}', headers: { ...cloudEvent, ce_id: '' } },
    'malformed',
    'id',
  ],
  [
    'deeply nested JSON in a field',
    text(
      `{"type":"AllocateOrder","orderid":${'['.repeat(10_000)}${']'.repeat(10_000)},` +
        '"sku":"S","qty":1}',
    ),
    'invalid-data',
    'orderid',
  ],
  [
    'a date that does not exist',
    { type: 'CreateBatch', reference: 'r', sku: 'S', quantity: 1, eta: '2026-02-30' },
    'invalid-data',
    'eta',
  ],
];
