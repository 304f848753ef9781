import { describe, expect, it } from 'vitest';
import { subjectOf } from '../../../src/dead-letters/message-subject.ts';

const message = (json: string, headers = {}) => subjectOf({ value: Buffer.from(json), headers });

describe('What a message is about', () => {
  it('is its order and each of its products once', () => {
    const lines = '[{"sku":"LAMP","qty":1},{"sku":"TABLE","qty":2},{"sku":"LAMP","qty":1}]';
    expect(message(`{"type":"AllocateOrder","orderid":"o","lines":${lines}}`)).toEqual({
      type: 'AllocateOrder',
      orderid: 'o',
      skus: ['LAMP', 'TABLE'],
    });
  });

  it('is read from a CloudEvent too', () => {
    const headers = {
      ce_specversion: '1.0',
      ce_id: '1',
      ce_source: '/shop',
      ce_type: 'DeallocateOrder',
    };
    expect(message('{"orderid":"o","sku":"LAMP"}', headers)).toEqual({
      type: 'DeallocateOrder',
      orderid: 'o',
      skus: ['LAMP'],
    });
  });

  it('is read as far as possible if the command is not valid', () => {
    const json =
      '{"type":"AllocateOrder","orderid":"o","sku":7,"qty":-1,"lines":[null,{"sku":"A"}]}';
    expect(message(json)).toEqual({ type: 'AllocateOrder', orderid: 'o', skus: ['A'] });
  });

  it.each(['not json', '[]', '7', '{"type":"Nothing","orderid":"\\u0007"}'])(
    'is no order and no product if nobody can tell: %s',
    (json) => {
      expect(message(json)).toMatchObject({ orderid: null, skus: [] });
    },
  );
});
