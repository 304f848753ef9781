import type { Command } from 'commander';
import { readAllocations } from '../views/order-view.ts';
import { readProduct } from '../views/product-view.ts';
import type { Query } from '../views/query.ts';
import { jsonOption, print, printJson, printTable } from './output.ts';
import { withDatabase } from './session.ts';

/** Adds `allocation show order|product`. */
export function addShow(program: Command): void {
  const show = program
    .command('show')
    .description('show an order or a product from the database')
    .addHelpText(
      'after',
      `
Examples:
  $ npx allocation show order order-1
  $ npx allocation show product SMALL-TABLE --json`,
    );
  show
    .command('order')
    .description('show which lines of an order are allocated, and to which batches')
    .argument('<orderid>')
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  $ npx allocation show order order-1')
    .action(async (orderid: string, { json }: { json: boolean }) => {
      const lines = await readDatabase((query) => allAllocations(orderid, query));
      if (lines.length === 0)
        throw new Error(
          `No line of order ${orderid} is allocated: ` +
            'see the events with "npx allocation tail --from beginning"',
        );
      if (json) return printJson({ orderid, lines });
      printTable(
        ['SKU', 'QTY', 'BATCH'],
        lines.map(({ sku, qty, batchref }) => [sku, qty, batchref]),
      );
    });
  show
    .command('product')
    .description('show a product with its batches, in the order in which stock is allocated')
    .argument('<sku>')
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  $ npx allocation show product SMALL-TABLE')
    .action(async (sku: string, { json }: { json: boolean }) => {
      const product = await readDatabase((query) => wholeProduct(sku, query));
      if (!product)
        throw new Error(
          `There is no product ${sku}: ` +
            'its first batch creates it (npx allocation publish CreateBatch …)',
        );
      if (json) return printJson(product);
      print(`${sku}, version ${product.version}`);
      printTable(
        ['BATCH', 'QUANTITY', 'AVAILABLE', 'ETA'],
        product.batches.map(({ reference, quantity, availableQuantity, eta }) => [
          reference,
          quantity,
          availableQuantity,
          eta ?? 'in stock',
        ]),
      );
    });
}

/** Reads all lines of the order, page by page. */
async function allAllocations(orderid: string, query: Query) {
  const { items, next } = await readAllocations(orderid, query);
  const lines = [...items];
  for (let after = next; after !== null; ) {
    const page = await readAllocations(orderid, query, after);
    lines.push(...page.items);
    after = page.next;
  }
  return lines;
}

/** Reads the product with all its batches, page by page. Null: there is no such product. */
async function wholeProduct(sku: string, query: Query) {
  const first = await readProduct(sku, query);
  if (first === null) return null;
  const batches = [...first.batches];
  for (let after = first.next; after !== null; ) {
    const page = await readProduct(sku, query, after);
    batches.push(...(page?.batches ?? []));
    after = page?.next ?? null;
  }
  return { sku, version: first.version, batches };
}

function readDatabase<T>(read: (query: Query) => Promise<T>): Promise<T> {
  return withDatabase({ mayCreate: false }, (database) => read(database.query.bind(database)));
}
