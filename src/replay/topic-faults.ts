import type { EventConflict, EventFold } from '../adapters/database/replay/event-fold.ts';
import type { Differences } from './differences.ts';

/** The partition number of an event that waits in the outbox. */
export const IN_THE_OUTBOX = -1;

/** Adds the events that are repeated, contradict each other, or lie in the wrong order. */
export async function addTopicFaults(
  fold: EventFold,
  eventsTopic: string,
  differences: Differences,
): Promise<void> {
  for (const { sku, sequence, event } of await fold.repeats()) {
    const expected = `one event of ce_sequence ${sequence}`;
    differences.add('event-repeated', `product ${sku}`, expected, 'another', event);
  }
  for (const conflict of await fold.conflicts(Number.MAX_SAFE_INTEGER)) {
    const expected = `one event of ce_sequence ${conflict.sequence}`;
    const found = describeBoth(conflict, eventsTopic);
    differences.add('event-conflict', `product ${conflict.sku}`, expected, found);
  }
  for (const { sku, sequence, previous, event } of await fold.outOfOrder()) {
    const found = `${sequence} behind ${previous}`;
    differences.add('event-out-of-order', `product ${sku}`, 'ce_sequence in order', found, event);
  }
}

/** Adds the events that are missing in the middle. */
export async function addGaps(fold: EventFold, differences: Differences): Promise<void> {
  for (const { sku, missing, count } of await fold.gaps(Number.MAX_SAFE_INTEGER)) {
    const found = `${count} later events, which were left out`;
    differences.add('event-missing', `product ${sku}`, `ce_sequence ${missing}`, found);
  }
}

function describeBoth(
  { firstId, firstPlace, otherId, otherPlace }: EventConflict,
  eventsTopic: string,
): string {
  const describe = (id: string, place: string) =>
    place.startsWith(`${IN_THE_OUTBOX}/`)
      ? `${id} in the outbox`
      : `${id} at ${eventsTopic}/${place}`;
  const [first, other] = [describe(firstId, firstPlace), describe(otherId, otherPlace)];
  return `${first} and, with other content, ${other}`;
}
