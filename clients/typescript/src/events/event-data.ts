import { isDate, isName, isObject, isWhole } from '../values.ts';
import type { EventType } from './event.ts';

/** What must be true of a field. */
type Rule = (value: unknown) => boolean;

const name: Rule = isName;
const text: Rule = (value) => typeof value === 'string';
const quantity: Rule = (value) => isWhole(value, 0);
const qty: Rule = (value) => isWhole(value, 1);
const optionalName: Rule = (value) => value === undefined || isName(value);
const dateOrNull: Rule = (value) => value === null || isDate(value);

const line = { orderid: name, sku: name, qty };
const allocatedLine = { ...line, batchref: name };

const RULES: { readonly [T in EventType]: Readonly<Record<string, Rule>> } = {
  BatchCreated: { reference: name, sku: name, quantity, eta: dateOrNull },
  Allocated: allocatedLine,
  AlreadyAllocated: allocatedLine,
  Deallocated: allocatedLine,
  OutOfStock: line,
  BatchQuantityChanged: { reference: name, sku: name, quantity },
  CommandRejected: {
    command: text,
    reason: text,
    detail: text,
    orderid: optionalName,
    sku: optionalName,
    reference: optionalName,
  },
};

/** The types of events that count the versions of a product. */
const WITH_SEQUENCE: ReadonlySet<EventType> = new Set([
  'BatchCreated',
  'Allocated',
  'Deallocated',
  'OutOfStock',
  'BatchQuantityChanged',
] as const);

/** Tells whether this client knows the type of event. */
export function isEventType(type: string | null): type is EventType {
  return type !== null && Object.hasOwn(RULES, type);
}

/**
 * Finds what is wrong with an event of this type. Fields that the client does not know are allowed.
 *
 * @returns one sentence for people; null: nothing is wrong
 */
export function faultOf(type: EventType, data: unknown, sequence: number | null): string | null {
  if (!isObject(data)) return `The data of ${type} are not a JSON object`;
  const wrong = Object.entries(RULES[type]).find(([field, rule]) => !rule(data[field]));
  if (wrong) return `The field ${wrong[0]} of ${type} is not as version 1 has it`;
  if (sequence === null && WITH_SEQUENCE.has(type)) return `${type} has no sequence`;
  return null;
}
