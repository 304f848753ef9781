import { z } from 'zod';
import { COMMAND_TYPES } from '../domain/command-scopes.ts';
import type { Event } from '../domain/events.ts';
import { NAME } from './cloud-events.ts';
import type { EventData } from './event-schemas.ts';
import { REJECTION_REASONS } from './rejections.ts';
import { UnfitDataError } from './versions.ts';

/** Data from the wire that nobody has checked yet. */
type Unchecked = Readonly<Record<string, unknown>>;

/**
 * Checks data from the wire, and returns only the known fields.
 *
 * @throws {UnfitDataError} a field does not fit
 */
export type Check<D> = (data: Unchecked) => D;

/**
 * Checks the data of each event by hand, because a rebuild reads millions of events. A property
 * test compares the checks with `eventSchemas`: both accept the same data.
 */
export const eventChecks: { readonly [T in Event['type']]: Check<EventData[T]> } = {
  BatchCreated: (data) => ({
    reference: name(data, 'reference'),
    sku: name(data, 'sku'),
    quantity: whole(data, 'quantity', 0),
    eta: dateOrNull(data, 'eta'),
  }),
  Allocated: allocatedLine,
  AlreadyAllocated: allocatedLine,
  Deallocated: allocatedLine,
  OutOfStock: (data) => ({
    orderid: name(data, 'orderid'),
    sku: name(data, 'sku'),
    qty: whole(data, 'qty', 1),
  }),
  BatchQuantityChanged: (data) => ({
    reference: name(data, 'reference'),
    sku: name(data, 'sku'),
    quantity: whole(data, 'quantity', 0),
  }),
  CommandRejected: (data) => ({
    command: oneOf(data, 'command', COMMANDS),
    reason: oneOf(data, 'reason', REASONS),
    detail: text(data, 'detail'),
    ...('orderid' in data && { orderid: name(data, 'orderid') }),
    ...('sku' in data && { sku: name(data, 'sku') }),
    ...('reference' in data && { reference: name(data, 'reference') }),
  }),
};

/** Checks the data of a composite. The events inside are checked one by one. */
export const checkComposite: Check<readonly unknown[]> = ({ events }) => {
  if (Array.isArray(events) && events.length > 0) return events;
  throw new UnfitDataError('events must be an array of events');
};

const COMMANDS = new Set(COMMAND_TYPES);
const REASONS = new Set(REJECTION_REASONS);

function allocatedLine(data: Unchecked): EventData['Allocated'] {
  return {
    orderid: name(data, 'orderid'),
    sku: name(data, 'sku'),
    qty: whole(data, 'qty', 1),
    batchref: name(data, 'batchref'),
  };
}

function name(data: Unchecked, field: string): string {
  const value = data[field];
  if (typeof value === 'string' && NAME.test(value)) return value;
  throw new UnfitDataError(`${field} must be 1 to 255 characters without control characters`);
}

function text(data: Unchecked, field: string): string {
  const value = data[field];
  if (typeof value === 'string') return value;
  throw new UnfitDataError(`${field} must be a string`);
}

function whole(data: Unchecked, field: string, min: number): number {
  const value = data[field];
  if (Number.isSafeInteger(value) && (value as number) >= min) return value as number;
  throw new UnfitDataError(`${field} must be a whole number from ${min} up to 2^53 - 1`);
}

function dateOrNull(data: Unchecked, field: string): string | null {
  const value = data[field];
  if (value === null || (typeof value === 'string' && z.regexes.date.test(value))) return value;
  throw new UnfitDataError(`${field} must be a date that exists, YYYY-MM-DD, or null`);
}

function oneOf<T extends string>(data: Unchecked, field: string, known: ReadonlySet<T>): T {
  const value = data[field] as T;
  if (known.has(value)) return value;
  throw new UnfitDataError(`${field} must be one of ${[...known].join(', ')}`);
}
