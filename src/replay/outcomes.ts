import { isDeepStrictEqual } from 'node:util';
import { scopeOf } from '../domain/command-scopes.ts';
import type { Command } from '../domain/commands.ts';
import type { Event } from '../domain/events.ts';
import { eventData } from '../messages/encode-answer.ts';
import type { EventData } from '../messages/event-schemas.ts';
import type { PublishedEvent } from '../messages/read-answer.ts';

/** What a command leads to: its events as a consumer sees them, without their time and place. */
export type Outcome = readonly OutcomeEvent[];
type OutcomeEvent = {
  readonly [T in Event['type']]: { readonly type: T; readonly data: EventData[T] };
}[Event['type']];

/** The command's handler has thrown an error with this message. */
export interface Failure {
  readonly failure: string;
}

/**
 * - `fails`: a handler throws.
 * - `other-events`: events of other types, or another number of events.
 * - `other-data`: the same types with other data.
 */
export type OutcomeDifferenceKind = 'fails' | 'other-events' | 'other-data';

/** The outcome of a command in words, as it was published and as it is now. */
export interface OutcomeDifference {
  readonly kind: OutcomeDifferenceKind;
  readonly published: string;
  readonly now: string;
}

/** How many events of an outcome are described. */
const EVENTS_DESCRIBED = 5;

/** Makes the outcome of a handler's events. */
export function outcomeOf(events: readonly Event[]): Outcome {
  return events.map((event) => ({ type: event.type, data: eventData(event) }) as OutcomeEvent);
}

/**
 * Compares the published outcome of a command with the outcome now.
 * @returns null: they are the same
 */
export function compareOutcomes(
  published: readonly PublishedEvent[],
  now: Outcome | Failure,
): OutcomeDifference | null {
  const then = published.map(({ type, data }) => ({ type, data }) as OutcomeEvent);
  if ('failure' in now)
    return { kind: 'fails', published: inWords(then, 0), now: `it fails: ${now.failure}` };
  if (JSON.stringify(then) === JSON.stringify(now)) return null;
  const different = then.findIndex((event, index) => !isSame(event, now[index]));
  if (different === -1 && then.length === now.length) return null;
  const sameCount = different === -1 ? then.length : different;
  const areTypesSame =
    then.length === now.length && then.every(({ type }, index) => type === now[index]?.type);
  return {
    kind: areTypesSame ? 'other-data' : 'other-events',
    published: inWords(then, sameCount),
    now: inWords(now, sameCount),
  };
}

/** Returns the products that the command or one of the outcomes names. */
export function skusIn(command: Command | null, outcomes: readonly Outcome[]): ReadonlySet<string> {
  const skus = new Set(
    outcomes.flatMap((outcome) => outcome.flatMap(({ data }) => data.sku ?? [])),
  );
  if (command) for (const sku of scopeOf(command).skus(command)) skus.add(sku);
  return skus;
}

/** Compares the events as JSON, because a field that is undefined is not on the wire. */
function isSame(one: OutcomeEvent, other: OutcomeEvent | undefined): boolean {
  return (
    other !== undefined &&
    isDeepStrictEqual(JSON.parse(JSON.stringify(one)), JSON.parse(JSON.stringify(other)))
  );
}

/** @param sameCount how many of the first events are the same in the other outcome */
function inWords(outcome: Outcome, sameCount: number): string {
  const rest = outcome.slice(sameCount);
  const described = rest
    .slice(0, EVENTS_DESCRIBED)
    .map((event) => (words[event.type] as (data: EventData[Event['type']]) => string)(event.data));
  if (rest.length > EVENTS_DESCRIBED)
    described.push(`${rest.length - EVENTS_DESCRIBED} more events`);
  const text = described.join('; ') || (sameCount > 0 ? 'nothing more' : 'nothing');
  return sameCount > 0 ? `${sameCount} events the same, then ${text}` : text;
}

const words: { readonly [T in Event['type']]: (data: EventData[T]) => string } = {
  BatchCreated: ({ reference, sku, quantity, eta }) =>
    `batch ${reference} of ${quantity} ${sku} created${eta === null ? '' : `, due ${eta}`}`,
  Allocated: ({ orderid, sku, qty, batchref }) =>
    `${qty} ${sku} allocated to order ${orderid} from batch ${batchref}`,
  AlreadyAllocated: ({ orderid, sku, qty, batchref }) =>
    `${qty} ${sku} allocated to order ${orderid} before, from batch ${batchref}`,
  Deallocated: ({ orderid, sku, qty, batchref }) =>
    `${qty} ${sku} of order ${orderid} back in batch ${batchref}`,
  OutOfStock: ({ orderid, sku, qty }) => `${qty} ${sku} for order ${orderid} out of stock`,
  BatchQuantityChanged: ({ reference, sku, quantity }) =>
    `batch ${reference} of ${sku} set to ${quantity}`,
  CommandRejected: ({ reason, detail }) => `rejected (${reason}): ${detail}`,
};
