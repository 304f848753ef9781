import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { binary, order, read } from '../../support/order-message.ts';

describe('a redriven command without an id', () => {
  const redriven = { ...binary, ce_source: '/allocation/dead-letters', ce_id: 'c/0/1' };
  const identityFor = (type: string, dataschema: string | null, value: string) => {
    const digest = createHash('sha256')
      .update(JSON.stringify([type, dataschema]) + value)
      .digest('hex');
    return `/allocation/dead-letters#${digest}\tc/0/1`;
  };

  it('has an identity with a digest of its type, its dataschema and its bytes', () => {
    expect(read(order, redriven)).toMatchObject({
      id: 'c/0/1',
      identity: identityFor('AllocateOrder', null, JSON.stringify(order)),
    });
    const ce_dataschema = '/allocation/schemas/AllocateOrder/1';
    expect(read(order, { ...redriven, ce_dataschema })).toMatchObject({
      identity: identityFor('AllocateOrder', ce_dataschema, JSON.stringify(order)),
    });
  });

  it('has the identity of its id if that is no place', () => {
    expect(read(order, { ...redriven, ce_id: 'mine' })).toMatchObject({
      identity: '/allocation/dead-letters\tmine',
    });
  });

  it('may not bring the digest itself', () => {
    const source = '/allocation/dead-letters#00';
    expect(read(order, { ...redriven, ce_source: source })).toMatchObject({
      reason: 'malformed',
      message: `source ${source} belongs to the service; use another source`,
    });
  });
});
