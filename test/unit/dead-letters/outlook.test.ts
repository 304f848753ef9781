import { expect, it } from 'vitest';
import { foresee } from '../../../src/dead-letters/outlook.ts';
import { asDeadLetters } from '../../../src/dead-letters/read-dead-letter.ts';
import type { Broker } from '../../../src/service-layer/broker.ts';

const records = [
  { value: 'not json', reason: 'malformed' },
  { value: '{"type":"DeallocateOrder","orderid":"o"}', reason: 'unknown-type' },
  { value: '{"type":"DeallocateOrder"}', reason: 'invalid-data' },
  { value: '{"type":"DeallocateOrder"}', reason: 'handler-failed', position: '1' },
  { value: null, reason: 'malformed' },
  { value: '{"type":"DeallocateOrder","orderid":"o","SKU":"S"}', reason: 'invalid-data' },
].map(({ value, reason, position }, offset) => ({
  topic: 'dead',
  partition: 0,
  offset,
  timestampMs: 0,
  key: null,
  value: value === null ? null : Buffer.from(value),
  headers: {
    'dead-letter-reason': reason,
    'dead-letter-message': 'said by the letter',
    ...(position !== undefined && { 'dead-letter-position': position }),
  },
}));

const broker: Pick<Broker, 'read'> = {
  read: (_topic, _ranges, take) => take({ partition: 0, records, nextOffset: records.length }),
};

it('letters fail again if this version cannot read their messages', async () => {
  const outlooks = await foresee(broker, 'dead', asDeadLetters(records));
  expect([...outlooks].map(([id, { failure }]) => [id, failure])).toEqual([
    ['dead/0/0', expect.stringContaining('not JSON')],
    ['dead/0/2', expect.stringContaining('orderid')],
    ['dead/0/4', 'said by the letter'],
    ['dead/0/5', null],
  ]);
});

it('letters are named of which the service would ignore a field', async () => {
  const outlooks = await foresee(broker, 'dead', asDeadLetters(records));
  const ignored = [...outlooks].filter(([, { ignored }]) => ignored.length > 0);
  expect(ignored).toEqual([
    [
      'dead/0/5',
      {
        failure: null,
        ignored: ['SKU is not a field of DeallocateOrder; did you mean sku?'],
      },
    ],
  ]);
});
