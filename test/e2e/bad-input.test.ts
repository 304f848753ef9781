import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { describeOnEachBroker, RunningService } from '../support/running-service.ts';

const order = (fields: object) => ({ type: 'AllocateOrder', orderid: 'order', sku: 'SKU', qty: 1, ...fields });
const text = (value: string) => ({ value });
const cloudEvent = { ce_specversion: '1.0', ce_id: 'id', ce_source: '/shop', ce_type: 'AllocateOrder', 'content-type': 'application/json' };
const MEBIBYTE = 1024 * 1024;

/** What arrives, why it is dead, and a word that its line must contain. */
const cases: [name: string, record: object, reason: string, word: string][] = [
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
  ['wrong types', { type: 'CreateBatch', reference: 1, sku: true, quantity: 'x', eta: 5 }, 'invalid-data', 'reference'],
  ['qty 0', order({ qty: 0 }), 'invalid-data', 'qty'],
  ['qty -1', order({ qty: -1 }), 'invalid-data', 'qty'],
  ['qty 1.5', order({ qty: 1.5 }), 'invalid-data', 'qty'],
  ['qty 2^53', order({ qty: 2 ** 53 }), 'invalid-data', 'qty'],
  ['qty "3"', order({ qty: '3' }), 'invalid-data', 'qty'],
  [
    '501 lines',
    { type: 'AllocateOrder', orderid: 'o', lines: Array.from({ length: 501 }, (_, n) => ({ sku: `S${n}`, qty: 1 })) },
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
  ['a lone surrogate', text('{"type":"AllocateOrder","orderid":"\\ud800","sku":"S","qty":1}'), 'invalid-data', 'orderid'],
  ['1 MiB + 1 byte', text(JSON.stringify(order({})).padEnd(MEBIBYTE + 1)), 'too-large', String(MEBIBYTE)],
  ['a wrong ce_specversion', { value: '{}', headers: { ...cloudEvent, ce_specversion: '0.3' } }, 'malformed', 'specversion'],
  ['a CloudEvent without an id', { value: '{}', headers: { ...cloudEvent, ce_id: '' } }, 'malformed', 'id'],
  [
    'deeply nested JSON in a field',
    text(`{"type":"AllocateOrder","orderid":${'['.repeat(10_000)}${']'.repeat(10_000)},"sku":"S","qty":1}`),
    'invalid-data',
    'orderid',
  ],
  ['a date that does not exist', { type: 'CreateBatch', reference: 'r', sku: 'S', quantity: 1, eta: '2026-02-30' }, 'invalid-data', 'eta'],
];

describeOnEachBroker('a bad message goes to the dead letters, as it came, and holds up nobody', (environment) => {
  let running: RunningService;
  const places = new Map<string, string>();

  beforeAll(async () => {
    running = await RunningService.start(environment);
    for (const [name, record] of cases) {
      const [place = ''] = await running.send(record);
      places.set(name, place);
    }
    await running.send({ type: 'CreateBatch', reference: 'after', sku: 'AFTER', quantity: 1 });
    await running.idle();
    await eventually(() => expect(running.deadLetters.length).toBeGreaterThanOrEqual(cases.length), { withinMs: 30_000 });
  }, 120_000);

  afterAll(async () => running[Symbol.asyncDispose]());

  it.each(cases)('%s', (name, record, reason, word) => {
    const letters = running.deadLetters.filter(
      ({ headers }) => `${headers['dead-letter-partition']}/${headers['dead-letter-offset']}` === places.get(name),
    );
    expect(letters).toHaveLength(1);
    const [letter] = letters;
    expect(String(letter?.headers['dead-letter-reason'])).toBe(reason);
    expect(String(letter?.headers['dead-letter-message'])).toContain(word);
    const sent = 'value' in record ? (record.value as Buffer | string | null) : JSON.stringify(record);
    expect(letter?.value).toEqual(sent === null ? null : Buffer.from(sent as string));
  });

  it('what came after them is answered', () => {
    expect(running.eventTypes()).toEqual(['BatchCreated']);
  });

  it('each has one clear line in the log', () => {
    const lines = running.log.filter(({ msg }) => String(msg).startsWith('Dead letter:'));
    expect(lines).toHaveLength(cases.length);
    expect(lines.every(({ reason, lane, offset }) => reason && lane && offset !== undefined)).toBe(true);
  });
});

describeOnEachBroker('input that only looks bad', (environment) => {
  let running: RunningService;

  beforeAll(async () => {
    running = await RunningService.start(environment);
  }, 60_000);

  afterAll(async () => running[Symbol.asyncDispose]());

  it('`__proto__` is a sku like any other, and as a key it is ignored', async () => {
    await running.send({ value: '{"type":"CreateBatch","reference":"__proto__","sku":"__proto__","quantity":5,"__proto__":{"sku":"no"}}' });
    await running.idle();
    await running.send({ value: '{"type":"AllocateOrder","orderid":"constructor","sku":"__proto__","qty":2}' });
    await running.idle();
    await eventually(() => expect(running.eventTypes()).toContain('Allocated'));
    const answer = await fetch(`${running.service.http.url}/products/__proto__`);
    expect(await answer.json()).toMatchObject({ sku: '__proto__', batches: [{ reference: '__proto__', availableQuantity: 3 }] });
  });

  it('the same id again is the same command, on any partition, and changes nothing', async () => {
    const before = running.events.length;
    const command = { type: 'CreateBatch', id: 'once', reference: 'once', sku: 'ONCE', quantity: 5 };
    await running.send(command, command, { ...command, quantity: 6 });
    await running.idle();
    await running.send({ key: 'another key', value: JSON.stringify(command), headers: {} });
    await running.idle();
    await running.send({ type: 'CreateBatch', reference: 'end', sku: 'END', quantity: 1 });
    await eventually(() => expect(running.events.length).toBe(before + 2));
  });

  it('255 characters beyond the basic plane are 255 characters', async () => {
    const sku = '🪑'.repeat(255);
    await running.send({ type: 'CreateBatch', reference: 'chairs', sku, quantity: 1 });
    await running.idle();
    await eventually(() => expect(running.events.some(({ headers }) => String(headers.ce_subject) === sku)).toBe(true));
  });
});
