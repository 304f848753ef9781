import type { Command } from '../../../domain/commands.ts';

/** What a batch of commands needs from the database, so that it can be loaded with a constant number of queries. */
export interface CommandNeeds {
  readonly skus: ReadonlySet<string>;
  /** Batches named by reference, with the sku that a CreateBatch among the commands gives them. */
  readonly references: ReadonlyMap<string, ReadonlySet<string>>;
  /** Orders to be let go as a whole, with the skus that an AllocateOrder among the commands gives them. */
  readonly orders: ReadonlyMap<string, ReadonlySet<string>>;
  /** Lines named one by one: orderid and sku. */
  readonly lines: readonly (readonly [orderid: string, sku: string])[];
  /** The smallest quantity that each batch is set to: what may have to be let go lies above it. */
  readonly smallestQuantity: ReadonlyMap<string, number>;
  /** The smallest qty that an order wants of each sku: a batch with less left can take none of them. */
  readonly smallestLine: ReadonlyMap<string, number>;
}

export function needsOf(commands: readonly Command[]): CommandNeeds {
  const skus = new Set<string>();
  const references = new Map<string, Set<string>>();
  const orders = new Map<string, Set<string>>();
  const lines: [string, string][] = [];
  const smallestQuantity = new Map<string, number>();
  const smallestLine = new Map<string, number>();
  for (const command of commands) {
    if (command.type === 'DeallocateOrder' && command.sku === null)
      orders.set(command.orderid, new Set());
  }
  for (const command of commands) {
    switch (command.type) {
      case 'CreateBatch':
        skus.add(command.sku);
        setIn(references, command.reference).add(command.sku);
        break;
      case 'AllocateOrder':
        for (const { sku, qty } of command.lines) {
          skus.add(sku);
          smallestLine.set(sku, Math.min(qty, smallestLine.get(sku) ?? qty));
          lines.push([command.orderid, sku]);
          orders.get(command.orderid)?.add(sku);
        }
        break;
      case 'ChangeBatchQuantity': {
        setIn(references, command.reference);
        const smallest = smallestQuantity.get(command.reference) ?? command.quantity;
        smallestQuantity.set(command.reference, Math.min(smallest, command.quantity));
        break;
      }
      case 'DeallocateOrder':
        if (command.sku === null) break;
        skus.add(command.sku);
        lines.push([command.orderid, command.sku]);
        break;
    }
  }
  return { skus, references, orders, lines, smallestQuantity, smallestLine };
}

/** The set under the key, made if it is not there. */
export function setIn(sets: Map<string, Set<string>>, key: string): Set<string> {
  let set = sets.get(key);
  if (!set) {
    set = new Set();
    sets.set(key, set);
  }
  return set;
}
