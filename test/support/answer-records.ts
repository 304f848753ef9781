import type { Event } from '../../src/domain/events.ts';
import type { WireMessage } from '../../src/messages/cloud-events.ts';
import { type Answer, encodeAnswer } from '../../src/messages/encode-answer.ts';

export const time = '2026-11-23T12:00:00.000Z';
export const data = { orderid: 'o', sku: 'S', qty: 2, batchref: 'b' };
export const allocated: Event = { type: 'Allocated', ...data, version: 3 };
export const already: Event = { type: 'AlreadyAllocated', ...data };
export const headers = {
  'content-type': 'application/json',
  ce_specversion: '1.0',
  ce_id: 'shop.commands/1/9',
  ce_source: '/allocation',
  ce_type: 'Allocated',
  ce_dataschema: '/allocation/schemas/Allocated/1',
  ce_time: time,
  ce_causationid: 'cmd',
  ce_causationform: 'id',
  ce_sequence: '3',
};

/** Encodes the events as the service publishes them. */
export function publish(events: readonly Event[], maxBytes?: number): WireMessage[] {
  const source: Pick<Answer, 'topic' | 'partition' | 'offset'> = {
    topic: 'shop.commands',
    partition: 1,
    offset: 9,
  };
  const command = { type: 'AllocateOrder', orderid: 'o', lines: [] } as const;
  const answer = {
    ...source,
    identity: 'cmd',
    correlationId: 'c',
    traceparent: null,
    command,
    events,
    time,
  };
  return encodeAnswer(answer, maxBytes).map(({ value, headers }) => ({
    value: Buffer.from(value),
    headers,
  }));
}

/** Makes a record like that of an allocated line, with another body. */
export const record = (body: unknown, more: WireMessage['headers'] = {}): WireMessage => ({
  value: Buffer.from(JSON.stringify(body)),
  headers: { ...headers, ...more },
});
export const composite = (events: unknown) =>
  record({ events }, { ce_type: 'CompositeDomainEvent', ce_dataschema: undefined });
/** An event inside a composite. */
export const inside = {
  id: 'shop.commands/1/9/1',
  source: '/allocation',
  type: 'Allocated',
  sequence: '3',
  data,
};
