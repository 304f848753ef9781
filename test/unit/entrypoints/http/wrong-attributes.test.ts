import { expect, it } from 'vitest';
import { HttpApiAlone } from '../../../support/http-api-alone.ts';

const order = { orderid: 'o', sku: 'S', qty: 1 };
const NAME_RULE = 'must be 1 to 255 characters without control characters';
const STRUCTURED = 'application/cloudevents+json';

/** Posts a command, which must not reach the log. Returns the answer's status and body. */
async function post(body: object, headers: Readonly<Record<string, string>>) {
  await using running = await HttpApiAlone.start({});
  const response = await fetch(`${running.url}/commands`, {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

it('wrong attributes of a structured event are refused, and each is named', async () => {
  const event = { specversion: '1.0', id: '', type: 'AllocateOrder', data: order };
  expect(await post(event, { 'content-type': STRUCTURED })).toMatchObject({
    status: 400,
    body: {
      reason: 'malformed',
      detail: `id ${NAME_RULE}, not ""; source ${NAME_RULE}, not absent`,
      errors: [
        { field: 'id', message: `${NAME_RULE}, not ""` },
        { field: 'source', message: `${NAME_RULE}, not absent` },
      ],
    },
  });
});

it('wrong attributes in headers are refused, and each is named', async () => {
  const headers = { 'ce-specversion': '0.3', 'ce-id': 'c', 'ce-type': 'AllocateOrder' };
  expect(await post(order, { 'content-type': 'application/json', ...headers })).toMatchObject({
    status: 400,
    body: { errors: [{ field: 'specversion' }, { field: 'source' }] },
  });
});

it("the service's own source is refused as a wrong attribute", async () => {
  const event = { specversion: '1.0', id: 'c', type: 'AllocateOrder', data: order };
  const own = { ...event, source: '/allocation/dead-letters' };
  expect(await post(own, { 'content-type': STRUCTURED })).toMatchObject({
    status: 400,
    body: { reason: 'malformed', errors: [{ field: 'source' }] },
  });
});

it('wrong attributes of one event of a batch are named in its item', async () => {
  const events = [{ specversion: '1.0', id: 'c', source: '/s', type: '', data: order }];
  const headers = { 'content-type': 'application/cloudevents-batch+json' };
  expect(await post(events, headers)).toMatchObject({
    status: 207,
    body: { items: [{ reason: 'malformed', errors: [{ field: 'type' }] }] },
  });
});
