import type { RejectionReason } from '../domain/events.ts';

/** What a sender must know about one reason to reject a command. */
interface Rejection {
  /** Continues the sentence "The command …". */
  readonly meaning: string;
  /** The ids that the event has, in words. */
  readonly ids: string;
  /** What to do, for the sender. */
  readonly advice: string;
}

/** All reasons to reject a command. The contract shows them. */
export const REJECTIONS: Readonly<Record<RejectionReason, Rejection>> = {
  'unknown-sku': {
    meaning: 'allocates an sku of which no batch was ever created',
    ids: '`orderid`, `sku`',
    advice: 'Check the sku. Create a batch first, then send the line under a new id.',
  },
  'unknown-batch': {
    meaning: 'changes a batch that does not exist',
    ids: '`reference`',
    advice: 'Check the reference. Create the batch with its right quantity instead.',
  },
  'unknown-order': {
    meaning: 'lets lines go of which none is allocated',
    ids: '`orderid`, perhaps `sku`',
    advice: 'Nothing is left to do, unless the id is wrong: the order has no stock.',
  },
  'batch-differs': {
    meaning: 'creates a batch whose reference another batch has',
    ids: '`reference`, `sku`',
    advice: 'Give the new batch another reference, or change the quantity of the old one.',
  },
  'line-differs': {
    meaning: 'allocates a line that is allocated with another qty',
    ids: '`orderid`, `sku`',
    advice: 'Deallocate the line first, then allocate it with the new qty.',
  },
};

/** The reasons alone. */
export const REJECTION_REASONS = Object.keys(REJECTIONS) as readonly RejectionReason[];
