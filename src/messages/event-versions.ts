import type { Event } from '../domain/events.ts';
import { type Check, checkComposite, eventChecks } from './event-checks.ts';
import type { EventData } from './event-schemas.ts';
import { dataschemaOf, type Versions } from './versions.ts';

/** The versions of each type of event. `event-schemas.ts` describes their data. */
export const eventVersions: { readonly [T in Event['type']]: Versions<Check<EventData[T]>> } = {
  BatchCreated: { current: 1, schema: eventChecks.BatchCreated, upcasters: {} },
  Allocated: { current: 1, schema: eventChecks.Allocated, upcasters: {} },
  AlreadyAllocated: { current: 1, schema: eventChecks.AlreadyAllocated, upcasters: {} },
  Deallocated: { current: 1, schema: eventChecks.Deallocated, upcasters: {} },
  OutOfStock: { current: 1, schema: eventChecks.OutOfStock, upcasters: {} },
  BatchQuantityChanged: { current: 1, schema: eventChecks.BatchQuantityChanged, upcasters: {} },
  CommandRejected: { current: 1, schema: eventChecks.CommandRejected, upcasters: {} },
};

/** The type of a record with several events. */
export const COMPOSITE = 'CompositeDomainEvent';

/** The versions of a composite, `{events: […]}`. Each event inside has its own version. */
export const compositeVersions: Versions<Check<readonly unknown[]>> = {
  current: 1,
  schema: checkComposite,
  upcasters: {},
};

/** The types of events about a product's state or stock. */
export type VersionedType = Extract<Event, { readonly version: number }>['type'];

/** Whether events of the type count among the events of their product. */
export const hasSequence: {
  readonly [T in Event['type']]: T extends VersionedType ? true : false;
} = {
  BatchCreated: true,
  Allocated: true,
  AlreadyAllocated: false,
  Deallocated: true,
  OutOfStock: true,
  BatchQuantityChanged: true,
  CommandRejected: false,
};

/** The `dataschema` with which each type is published. */
export const dataschemas: Readonly<Record<Event['type'] | typeof COMPOSITE, string>> = {
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
  [COMPOSITE]: dataschemaOf(COMPOSITE, compositeVersions.current),
};
