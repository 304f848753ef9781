import { z } from 'zod';
import { COMMAND_TYPES } from '../domain/command-scopes.ts';
import type { Command } from '../domain/commands.ts';
import type { Event, RejectionReason } from '../domain/events.ts';
import { NAME } from './cloud-events.ts';
import { dataschemaOf, UnfitDataError, type Versions } from './versions.ts';

interface Line {
  readonly orderid: string;
  readonly sku: string;
  readonly qty: number;
}

interface AllocatedLine extends Line {
  readonly batchref: string;
}

/** The data of each event on the wire, in its newest version. */
export interface EventData {
  readonly BatchCreated: {
    readonly reference: string;
    readonly sku: string;
    readonly quantity: number;
    readonly eta: string | null;
  };
  readonly Allocated: AllocatedLine;
  readonly AlreadyAllocated: AllocatedLine;
  readonly Deallocated: AllocatedLine;
  readonly OutOfStock: Line;
  readonly BatchQuantityChanged: {
    readonly reference: string;
    readonly sku: string;
    readonly quantity: number;
  };
  readonly CommandRejected: {
    readonly command: Command['type'];
    readonly reason: RejectionReason;
    readonly detail: string;
    readonly orderid?: string;
    readonly sku?: string;
    readonly reference?: string;
  };
}

/** Data from the wire that nobody has checked yet. */
type Unchecked = Readonly<Record<string, unknown>>;

/**
 * Checks data from the wire, and returns only the known fields. These schemas are written by hand,
 * because a rebuild reads millions of events.
 *
 * @throws {UnfitDataError} a field does not fit
 */
export type Schema<D> = (data: Unchecked) => D;

/** The versions of each type of event. */
export const eventVersions: { readonly [T in Event['type']]: Versions<Schema<EventData[T]>> } = {
  BatchCreated: {
    current: 1,
    schema: (data) => ({
      reference: name(data, 'reference'),
      sku: name(data, 'sku'),
      quantity: whole(data, 'quantity', 0),
      eta: dateOrNull(data, 'eta'),
    }),
    upcasters: {},
  },
  Allocated: { current: 1, schema: allocatedLine, upcasters: {} },
  AlreadyAllocated: { current: 1, schema: allocatedLine, upcasters: {} },
  Deallocated: { current: 1, schema: allocatedLine, upcasters: {} },
  OutOfStock: { current: 1, schema: line, upcasters: {} },
  BatchQuantityChanged: {
    current: 1,
    schema: (data) => ({
      reference: name(data, 'reference'),
      sku: name(data, 'sku'),
      quantity: whole(data, 'quantity', 0),
    }),
    upcasters: {},
  },
  CommandRejected: {
    current: 1,
    schema: (data) => ({
      command: oneOf(data, 'command', COMMANDS),
      reason: oneOf(data, 'reason', REASONS),
      detail: text(data, 'detail'),
      ...('orderid' in data && { orderid: name(data, 'orderid') }),
      ...('sku' in data && { sku: name(data, 'sku') }),
      ...('reference' in data && { reference: name(data, 'reference') }),
    }),
    upcasters: {},
  },
};

/** The versions of a composite, `{events: […]}`. Each event inside has its own version. */
export const compositeVersions: Versions<Schema<readonly unknown[]>> = {
  current: 1,
  schema: ({ events }) => {
    if (Array.isArray(events) && events.length > 0) return events;
    throw new UnfitDataError('events must be an array of events');
  },
  upcasters: {},
};

/** The `dataschema` with which each type is published. */
export const dataschemas: Readonly<Record<Event['type'] | 'CompositeDomainEvent', string>> = {
  BatchCreated: dataschemaOf('BatchCreated', eventVersions.BatchCreated.current),
  Allocated: dataschemaOf('Allocated', eventVersions.Allocated.current),
  AlreadyAllocated: dataschemaOf('AlreadyAllocated', eventVersions.AlreadyAllocated.current),
  Deallocated: dataschemaOf('Deallocated', eventVersions.Deallocated.current),
  OutOfStock: dataschemaOf('OutOfStock', eventVersions.OutOfStock.current),
  BatchQuantityChanged: dataschemaOf(
    'BatchQuantityChanged',
    eventVersions.BatchQuantityChanged.current,
  ),
  CommandRejected: dataschemaOf('CommandRejected', eventVersions.CommandRejected.current),
  CompositeDomainEvent: dataschemaOf('CompositeDomainEvent', compositeVersions.current),
};

const COMMANDS: ReadonlySet<Command['type']> = new Set(COMMAND_TYPES);
/** Is keyed by reason, so that the compiler finds a forgotten one. */
const KNOWN_REASONS: Readonly<Record<RejectionReason, true>> = {
  'unknown-sku': true,
  'unknown-batch': true,
  'unknown-order': true,
  'batch-differs': true,
  'line-differs': true,
};
const REASONS = new Set(Object.keys(KNOWN_REASONS) as RejectionReason[]);

function line(data: Unchecked): Line {
  return { orderid: name(data, 'orderid'), sku: name(data, 'sku'), qty: whole(data, 'qty', 1) };
}

function allocatedLine(data: Unchecked): AllocatedLine {
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
