import { isDeepStrictEqual } from 'node:util';
import type { Command } from '../domain/commands.ts';
import type { Event } from '../domain/events.ts';
import type { EventData } from '../messages/event-schemas.ts';
import { dataOf } from '../messages/outgoing.ts';
import type { PublishedEvent } from '../messages/published.ts';

/** What a command leads to: what a consumer sees of the events, without their time and place. */
export type Outcome = readonly OutcomeEvent[];
type OutcomeEvent = {
  readonly [T in Event['type']]: { readonly type: T; readonly data: EventData[T] };
}[Event['type']];

/** The command's handler threw. */
export interface Failure {
  readonly failure: string;
}

/** `fails`: a handler throws; `other-events`: of another type, or more or fewer; `other-data`: the same events say something else. */
export type OutcomeDifferenceKind = 'fails' | 'other-events' | 'other-data';

/** The outcome of a command in plain words, as it was and as it is now. */
export interface OutcomeDifference {
  readonly kind: OutcomeDifferenceKind;
  readonly published: string;
  readonly now: string;
}

/** So many events of an outcome are told. */
const TOLD = 5;

export function outcomeOf(events: readonly Event[]): Outcome {
  return events.map((event) => ({ type: event.type, data: dataOf(event) }) as OutcomeEvent);
}

/** @returns null: they are the same */
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
  const same = different === -1 ? then.length : different;
  const areTypesSame =
    then.length === now.length && then.every(({ type }, index) => type === now[index]?.type);
  return {
    kind: areTypesSame ? 'other-data' : 'other-events',
    published: inWords(then, same),
    now: inWords(now, same),
  };
}

/** The products that the command or its outcome names. */
export function skusIn(command: Command | null, outcomes: readonly Outcome[]): ReadonlySet<string> {
  const skus = new Set(
    outcomes.flatMap((outcome) => outcome.flatMap(({ data }) => data.sku ?? [])),
  );
  if (command?.type === 'AllocateOrder') for (const { sku } of command.lines) skus.add(sku);
  else if (command && 'sku' in command && command.sku !== null) skus.add(command.sku);
  return skus;
}

/** As JSON has them: on the wire there is no undefined. */
function isSame(one: OutcomeEvent, other: OutcomeEvent | undefined): boolean {
  return (
    other !== undefined &&
    isDeepStrictEqual(JSON.parse(JSON.stringify(one)), JSON.parse(JSON.stringify(other)))
  );
}

function inWords(outcome: Outcome, same: number): string {
  const rest = outcome.slice(same);
  const told = rest
    .slice(0, TOLD)
    .map((event) => (words[event.type] as (data: EventData[Event['type']]) => string)(event.data));
  if (rest.length > TOLD) told.push(`${rest.length - TOLD} events more`);
  const text = told.join('; ') || (same > 0 ? 'nothing more' : 'nothing');
  return same > 0 ? `${same} events the same, then ${text}` : text;
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
