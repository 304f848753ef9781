import { type NeededStock, scopeOf } from '../../../domain/command-scopes.ts';
import type { Command } from '../../../domain/commands.ts';

/** What a delivery of commands needs from the database, so that few queries load all of it. */
export interface CommandNeeds {
  readonly skus: ReadonlySet<string>;
  /** Batches named by reference, with the skus that a CreateBatch among the commands gives them. */
  readonly references: ReadonlyMap<string, ReadonlySet<string>>;
  /** Orders to let go as a whole, with the skus that an AllocateOrder among the commands adds. */
  readonly orders: ReadonlyMap<string, ReadonlySet<string>>;
  /** Lines that commands name one by one. */
  readonly lines: readonly (readonly [orderid: string, sku: string])[];
  /** The smallest quantity that a command sets for each batch. It bounds how many lines must go. */
  readonly smallestQuantity: ReadonlyMap<string, number>;
  /** The smallest qty that an order wants of each sku. A batch with less stock takes no line. */
  readonly smallestLine: ReadonlyMap<string, number>;
}

/** Collects what the commands together need. */
export function needsOf(commands: readonly Command[]): CommandNeeds {
  const needs = new Collector();
  // The orders come first, because the AllocateOrder commands add their skus to them.
  for (const command of commands) {
    const scope = scopeOf(command);
    const orderid = scope.hasUnnamedProducts(command) ? scope.order(command) : null;
    if (orderid !== null) needs.orders.set(orderid, new Set());
  }
  for (const command of commands) scopeOf(command).addNeeds(command, needs);
  return needs;
}

class Collector implements CommandNeeds, NeededStock {
  readonly skus = new Set<string>();
  readonly references = new Map<string, Set<string>>();
  readonly orders = new Map<string, Set<string>>();
  readonly lines: [string, string][] = [];
  readonly smallestQuantity = new Map<string, number>();
  readonly smallestLine = new Map<string, number>();

  addProduct(sku: string): void {
    this.skus.add(sku);
  }

  addNewBatch(reference: string, sku: string): void {
    setIn(this.references, reference).add(sku);
  }

  addBatchQuantity(reference: string, quantity: number): void {
    setIn(this.references, reference);
    const smallest = this.smallestQuantity.get(reference) ?? quantity;
    this.smallestQuantity.set(reference, Math.min(smallest, quantity));
  }

  addNewLine(orderid: string, sku: string, qty: number): void {
    this.smallestLine.set(sku, Math.min(qty, this.smallestLine.get(sku) ?? qty));
    this.lines.push([orderid, sku]);
    this.orders.get(orderid)?.add(sku);
  }

  addLine(orderid: string, sku: string): void {
    this.lines.push([orderid, sku]);
  }
}

/** Returns the set under the key. Creates the set if it is missing. */
export function setIn(sets: Map<string, Set<string>>, key: string): Set<string> {
  let set = sets.get(key);
  if (!set) {
    set = new Set();
    sets.set(key, set);
  }
  return set;
}
