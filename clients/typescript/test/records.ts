import type { KafkaRecord } from '../src/index.ts';

/** A record as text, before a client of Kafka gives it its own form. */
export interface TextRecord {
  readonly value: string | null;
  readonly headers: Readonly<Record<string, string>>;
}

const time = '2026-11-26T12:00:00.000Z';
export const line = { orderid: 'order-1', sku: 'LAMP', qty: 2 };

/** An `Allocated` as the service publishes it. */
export function allocated(sequence: number, sku = 'LAMP', more: object = {}): TextRecord {
  return {
    value: JSON.stringify({ ...line, sku, batchref: 'batch-1', ...more }),
    headers: {
      'content-type': 'application/json',
      ce_specversion: '1.0',
      ce_id: `allocation.commands/0/${sku}-${sequence}`,
      ce_source: '/allocation',
      ce_type: 'Allocated',
      ce_dataschema: '/allocation/schemas/Allocated/1',
      ce_subject: sku,
      ce_time: time,
      ce_causationid: `cmd-${sequence}`,
      ce_causationsource: '/shop',
      ce_correlationid: `session-${sequence}`,
      ce_sequence: String(sequence),
    },
  };
}

/** A composite of an order of two lines, one of which is rejected. */
export function composite(): TextRecord {
  const { headers } = allocated(7);
  const { ce_sequence: _, ...rest } = headers;
  const inside = (number: number, type: string, data: object, sequence?: string) => ({
    specversion: '1.0',
    id: `allocation.commands/0/9/${number}`,
    source: '/allocation',
    type,
    subject: 'LAMP',
    time,
    causationid: 'cmd-9',
    correlationid: 'cmd-9',
    datacontenttype: 'application/json',
    dataschema: `/allocation/schemas/${type}/1`,
    ...(sequence !== undefined && { sequence }),
    data,
  });
  const rejected = { command: 'AllocateOrder', reason: 'unknown-sku', detail: 'Why', sku: 'X' };
  const events = [
    inside(1, 'Allocated', { ...line, batchref: 'batch-1' }, '7'),
    inside(2, 'CommandRejected', rejected),
  ];
  return {
    value: JSON.stringify({ events }),
    headers: {
      ...rest,
      ce_id: 'allocation.commands/0/9',
      ce_type: 'CompositeDomainEvent',
      ce_dataschema: '/allocation/schemas/CompositeDomainEvent/1',
      ce_subject: 'order-1',
    },
  };
}

const bytes = (text: string | null) => (text === null ? null : Buffer.from(text));

/*
 * The forms in which clients of Kafka hand a record over. kafkajs is installed, and an end-to-end
 * test uses it. The other two are not installed: their forms come from their type definitions,
 * `Message` in src/protocol/records.ts of @platformatic/kafka, and `KafkaMessage` and `Message` in
 * types/kafkajs.d.ts and types/rdkafka.d.ts of @confluentinc/kafka-javascript.
 */
export const FORMS: Readonly<Record<string, (record: TextRecord) => KafkaRecord>> = {
  kafkajs: ({ value, headers }) => ({
    value: bytes(value),
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)]),
    ),
  }),
  '@platformatic/kafka': ({ value, headers }) => ({
    value: bytes(value),
    headers: new Map(
      Object.entries(headers).map(([name, text]) => [Buffer.from(name), Buffer.from(text)]),
    ),
  }),
  '@platformatic/kafka with deserializers': ({ value, headers }) => ({
    value: JSON.parse(value ?? 'null'),
    headers: new Map(Object.entries(headers)),
  }),
  "confluent's client, in its KafkaJS form": ({ value, headers }) => ({
    value: bytes(value),
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, text]) => [name, [Buffer.from(text)]]),
    ),
  }),
  "confluent's client, in its rdkafka form": ({ value, headers }) => ({
    value: bytes(value),
    headers: Object.entries(headers).map(([name, text]) => ({ [name]: Buffer.from(text) })),
  }),
};
