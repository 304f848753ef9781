import type { EventConflict, FoldedEvent } from '../adapters/database/replay/event-fold.ts';
import type { PublishedAnswer, PublishedEvent } from '../messages/read-answer.ts';

/**
 * Picks out of an answer the events that change a product, for the fold. Rejections and repeated
 * allocations change none.
 *
 * @param partition the partition of the events topic where the answer lies
 * @param offset the answer's offset in this partition
 */
export function foldedEvents(
  { events }: Pick<PublishedAnswer, 'events'>,
  partition: number,
  offset: number,
): readonly FoldedEvent[] {
  return events.flatMap((event) => foldedEvent(event, partition, offset) ?? []);
}

/** Names both events of a conflict with their places in the events topic. */
export function describeConflict(
  { sku, sequence, firstId, firstPlace, otherId, otherPlace }: EventConflict,
  eventsTopic: string,
): string {
  const first = `${firstId} at ${eventsTopic}/${firstPlace}`;
  const other = `${otherId} at ${eventsTopic}/${otherPlace}`;
  return `${sku} ce_sequence ${sequence} is ${first} and ${other}`;
}

const NOTHING = { reference: null, orderid: null, quantity: null, eta: null } as const;

function foldedEvent(event: PublishedEvent, partition: number, offset: number): FoldedEvent | null {
  const { id, type, sequence } = event;
  const place = { id, partition, offset };
  switch (type) {
    case 'BatchCreated': {
      const { sku, reference, quantity, eta } = event.data;
      return { ...NOTHING, type, sku, sequence, reference, quantity, eta, ...place };
    }
    case 'BatchQuantityChanged': {
      const { sku, reference, quantity } = event.data;
      return { ...NOTHING, type, sku, sequence, reference, quantity, ...place };
    }
    case 'Allocated':
    case 'Deallocated': {
      const { sku, orderid, qty: quantity, batchref: reference } = event.data;
      return { ...NOTHING, type, sku, sequence, reference, orderid, quantity, ...place };
    }
    case 'OutOfStock': {
      const { sku, orderid, qty: quantity } = event.data;
      return { ...NOTHING, type, sku, sequence, orderid, quantity, ...place };
    }
    case 'AlreadyAllocated':
    case 'CommandRejected':
      return null;
  }
}
