import type { Command } from './commands.ts';

/** Collects what commands need of the stored stock, so that a few queries load all of it. */
export interface NeededStock {
  /** The commands may read or change this product. */
  addProduct(sku: string): void;
  /** A command creates the batch for this sku, unless the batch exists. */
  addNewBatch(reference: string, sku: string): void;
  /** A command sets the quantity of the batch, and may let the lines beyond that quantity go. */
  addBatchQuantity(reference: string, quantity: number): void;
  /** A command allocates the line. */
  addNewLine(orderid: string, sku: string, qty: number): void;
  /** A command lets the order's line of this sku go. */
  addLine(orderid: string, sku: string): void;
}

/** What a command of one type is about. Everything follows from the command's own fields alone. */
interface CommandScope<C extends Command> {
  /** The reference of the batch that the command names; null: the command names none. */
  batch(command: C): string | null;
  /** The id of the order that the command names; null: the command names none. */
  order(command: C): string | null;
  /** The products that the command names. */
  skus(command: C): readonly string[];
  /** Whether the command may change products of its batch or order that it does not name. */
  hasUnnamedProducts(command: C): boolean;
  /** The record key that scales best: the product, if the command names just one. */
  key(command: C): string;
  /** Adds what the command's handler loads. The handler silently misses a line that is left out. */
  addNeeds(command: C, stock: NeededStock): void;
}

const NO_SKUS: readonly string[] = [];

/** What each command is about. No other place says so. */
const scopes: { readonly [T in Command['type']]: CommandScope<Extract<Command, { type: T }>> } = {
  CreateBatch: {
    batch: ({ reference }) => reference,
    order: () => null,
    skus: ({ sku }) => [sku],
    hasUnnamedProducts: () => false,
    key: ({ sku }) => sku,
    addNeeds({ reference, sku }, stock) {
      stock.addProduct(sku);
      stock.addNewBatch(reference, sku);
    },
  },
  AllocateOrder: {
    batch: () => null,
    order: ({ orderid }) => orderid,
    skus: ({ lines }) => lines.map(({ sku }) => sku),
    hasUnnamedProducts: () => false,
    key({ orderid, lines }) {
      const first = lines[0];
      return first && lines.length === 1 ? first.sku : orderid;
    },
    addNeeds({ orderid, lines }, stock) {
      for (const { sku, qty } of lines) {
        stock.addProduct(sku);
        stock.addNewLine(orderid, sku, qty);
      }
    },
  },
  ChangeBatchQuantity: {
    batch: ({ reference }) => reference,
    order: () => null,
    skus: () => NO_SKUS,
    hasUnnamedProducts: () => true,
    key: ({ reference }) => reference,
    addNeeds({ reference, quantity }, stock) {
      stock.addBatchQuantity(reference, quantity);
    },
  },
  DeallocateOrder: {
    batch: () => null,
    order: ({ orderid }) => orderid,
    skus: ({ sku }) => (sku === null ? NO_SKUS : [sku]),
    hasUnnamedProducts: ({ sku }) => sku === null,
    key: ({ orderid, sku }) => sku ?? orderid,
    addNeeds({ orderid, sku }, stock) {
      // Without a sku, `hasUnnamedProducts` makes the unit of work load the order's lines.
      if (sku === null) return;
      stock.addProduct(sku);
      stock.addLine(orderid, sku);
    },
  },
};

/** Every type of command, in the order in which help and documents list the types. */
export const COMMAND_TYPES = Object.keys(scopes) as readonly Command['type'][];

/** Tells what commands of this type are about. */
export function scopeOf(command: Command): CommandScope<Command> {
  return scopes[command.type] as CommandScope<Command>;
}
