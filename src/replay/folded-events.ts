import type { EventConflict, FoldedEvent } from '../adapters/database/replay/event-fold.ts';
import type { PublishedAnswer, PublishedEvent } from '../messages/published.ts';

/** What an answer, at its place in the events topic, says of products: rejections and repetitions say nothing. */
export function foldedEvents(
  { events }: Pick<PublishedAnswer, 'events'>,
  partition: number,
  offset: number,
): readonly FoldedEvent[] {
  return events.flatMap((event) => asFolded(event, partition, offset) ?? []);
}

/** Both events of a conflict, with their places in the events topic. */
export function describeConflict(
  { sku, sequence, firstId, firstPlace, otherId, otherPlace }: EventConflict,
  eventsTopic: string,
): string {
  return `${sku} ce_sequence ${sequence} is ${firstId} at ${eventsTopic}/${firstPlace} and ${otherId} at ${eventsTopic}/${otherPlace}`;
}

function asFolded(event: PublishedEvent, partition: number, offset: number): FoldedEvent | null {
  const { id, type } = event;
  const place = { id, partition, offset };
  switch (type) {
    case 'BatchCreated': {
      const { sku, reference, quantity, eta } = event.data;
      return {
        type,
        sku,
        sequence: event.sequence,
        reference,
        orderid: null,
        quantity,
        eta,
        ...place,
      };
    }
    case 'BatchQuantityChanged': {
      const { sku, reference, quantity } = event.data;
      return {
        type,
        sku,
        sequence: event.sequence,
        reference,
        orderid: null,
        quantity,
        eta: null,
        ...place,
      };
    }
    case 'Allocated':
    case 'Deallocated': {
      const { sku, orderid, qty, batchref } = event.data;
      return {
        type,
        sku,
        sequence: event.sequence,
        reference: batchref,
        orderid,
        quantity: qty,
        eta: null,
        ...place,
      };
    }
    case 'OutOfStock': {
      const { sku, orderid, qty } = event.data;
      return {
        type,
        sku,
        sequence: event.sequence,
        reference: null,
        orderid,
        quantity: qty,
        eta: null,
        ...place,
      };
    }
    default:
      return null;
  }
}
