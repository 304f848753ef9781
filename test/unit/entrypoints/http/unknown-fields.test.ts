import { expect, it } from 'vitest';
import type { Broker } from '../../../../src/service-layer/broker.ts';
import { HttpApiAlone } from '../../../support/http-api-alone.ts';

const batch = { reference: 'b', sku: 'S', quantity: 5 };

/** Posts a command. The test fails if the command reaches a log that must not get any. */
async function post(body: object, headers: object = {}, broker: Partial<Broker> = {}) {
  await using running = await HttpApiAlone.start(broker);
  const response = await fetch(`${running.url}/commands`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

it('an unknown field over HTTP is refused, and not published', async () => {
  expect(await post({ type: 'CreateBatch', ...batch, ETA: '2027-01-31' })).toMatchObject({
    status: 400,
    body: {
      reason: 'invalid-data',
      detail: 'CreateBatch: ETA is not a field of CreateBatch; did you mean eta?',
      errors: [{ field: 'ETA', message: 'is not a field of CreateBatch; did you mean eta?' }],
    },
  });
});

it('an unknown field of a line over HTTP is refused with its path', async () => {
  const order = { type: 'AllocateOrder', orderid: 'o', lines: [{ sku: 'S', qty: 1, Sku: 'T' }] };
  expect(await post(order)).toMatchObject({
    status: 400,
    body: { errors: [{ field: 'lines.0.Sku' }] },
  });
});

it('an extension attribute of a CloudEvent over HTTP is free', async () => {
  const attributes = { 'ce-specversion': '1.0', 'ce-id': 'c', 'ce-source': '/shop' };
  const headers = { ...attributes, 'ce-type': 'CreateBatch', 'ce-shop': 'north' };
  const publish = async () => [{ partition: 0, offset: 7 }];
  expect(await post(batch, headers, { publish })).toMatchObject({ status: 202 });
});

it('an unknown type over HTTP is refused with the type that was meant', async () => {
  expect(await post({ type: 'createBatch', ...batch })).toMatchObject({
    status: 400,
    body: { reason: 'unknown-type', detail: expect.stringContaining('did you mean CreateBatch?') },
  });
});
