import { type Envelope, NAME, type WireMessage } from '../messages/cloud-events.ts';
import { envelopeOf } from './message-envelope.ts';

/** What a message is about, in its own words. The message may not be a valid command. */
export interface MessageSubject {
  /** Null: the message has no type, or nobody can read it. */
  readonly type: string | null;
  /** Null: the message names no order. */
  readonly orderid: string | null;
  readonly skus: readonly string[];
}

/** Reads what a message is about, as far as anybody can tell. Wrong fields count as absent. */
export function subjectOf(message: WireMessage): MessageSubject {
  return subjectIn(envelopeOf(message));
}

/** Reads the same from an envelope. Null: the message is malformed. */
export function subjectIn(envelope: Envelope | null): MessageSubject {
  const { orderid, sku, lines } = fieldsOf(envelope?.data);
  const skus = [sku, ...(Array.isArray(lines) ? lines.map((line) => fieldsOf(line).sku) : [])];
  return {
    type: envelope?.type ?? null,
    orderid: isName(orderid) ? orderid : null,
    skus: [...new Set(skus.filter(isName))],
  };
}

function fieldsOf(data: unknown): Readonly<Record<string, unknown>> {
  return typeof data === 'object' && data !== null ? (data as Record<string, unknown>) : {};
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && NAME.test(value);
}
