import type { LogRecord } from '../../../src/service-layer/records.ts';
import { from, type Made } from './abuse-class.ts';

/** A message with this value. */
export const text = (value: string | Buffer, headers: LogRecord['headers'] = {}): Made => ({
  value: Buffer.from(value as string),
  headers,
});
/** A message whose value is JSON. */
export const json = (value: unknown, headers: LogRecord['headers'] = {}) =>
  text(JSON.stringify(value), headers);
/** The data of an order whose names are all unique. */
export const data = (unique: string) => ({ orderid: unique, sku: unique, qty: 1 });
/** An order as plain JSON. */
export const order = (unique: string, fields: object = {}) => ({
  type: 'AllocateOrder',
  ...data(unique),
  ...fields,
});
/** A new batch as plain JSON. */
export const batch = (unique: string, fields: object = {}) => ({
  type: 'CreateBatch',
  reference: unique,
  sku: unique,
  quantity: 5,
  ...fields,
});
/** Returns the text of an order with a piece of JSON in place of its qty. */
export const orderOf = (unique: string, qty: string) =>
  JSON.stringify(order(unique)).replace('"qty":1', `"qty":${qty}`);
export const linesOf = (unique: string, count: number) =>
  Array.from({ length: count }, (_, n) => ({ sku: `${unique}/${n}`, qty: 1 }));
/** The headers of a CloudEvent in binary mode. */
export const binaryHeaders = (
  unique: string,
  more: LogRecord['headers'] = {},
): LogRecord['headers'] => ({
  'content-type': 'application/json',
  ce_specversion: '1.0',
  ce_id: unique,
  ce_source: '/shop',
  ce_type: 'AllocateOrder',
  ...more,
});
/** A CloudEvent in structured mode. */
export const structuredEvent = (unique: string, more: object = {}) => ({
  specversion: '1.0',
  id: unique,
  source: '/shop',
  type: 'AllocateOrder',
  data: data(unique),
  ...more,
});
export const structuredType = { 'content-type': 'application/cloudevents+json' };

/** A good message in one of several forms. */
export const form = from(
  (unique: string) => json(order(unique)),
  (unique: string) => json(batch(unique, { eta: '2027-01-01' })),
  (unique: string) => json({ type: 'DeallocateOrder', orderid: unique }),
  (unique: string) => json({ type: 'AllocateOrder', orderid: unique, lines: linesOf(unique, 3) }),
  (unique: string) => json(data(unique), binaryHeaders(unique)),
  (unique: string) => json(structuredEvent(unique), structuredType),
);
