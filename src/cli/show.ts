import { type Command, Option } from 'commander';
import { readAllocations } from '../views/order-view.ts';
import { readProduct } from '../views/product-view.ts';
import type { Query } from '../views/query.ts';
import { withDeadlines } from './broker-deadline.ts';
import { parseCount } from './command-arguments.ts';
import { jsonOption, print, printJson, printTable, Table } from './output.ts';
import { withBroker, withDatabase } from './session.ts';

/** How many events `--history` shows by default. */
const USUAL_EVENTS = 100;

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
    .action(showOrder);
  show
    .command('product')
    .description('show a product with its batches, in the order in which stock is allocated')
    .argument('<sku>')
    .addOption(
      new Option('--history [n]', `show its newest n events instead (default: ${USUAL_EVENTS})`)
        .preset(String(USUAL_EVENTS))
        .argParser(parseCount),
    )
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  $ npx allocation show product SMALL-TABLE
  $ npx allocation show product SMALL-TABLE --history 20   # out of the events topic`,
    )
    .action(showProduct);
}

async function showOrder(orderid: string, { json }: { readonly json: boolean }): Promise<void> {
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
}

interface ProductOptions {
  readonly json: boolean;
  /** How many events to show. Absent: show the product. */
  readonly history?: number;
}

async function showProduct(sku: string, { json, history }: ProductOptions): Promise<void> {
  if (history !== undefined) return showHistory(sku, history, json);
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
}

/** Prints the newest events of the product, the newest first. */
async function showHistory(sku: string, count: number, json: boolean): Promise<void> {
  const { ProductHistories } = await import('../order-way/product-histories.ts');
  const { summary } = await import('./describe-record.ts');
  const table = new Table(['SEQUENCE', 'TIME', 'TYPE', 'DATA', 'PLACE']);
  let left = count;
  await withBroker({ mayCreate: false }, async ({ broker, config }) => {
    const { eventsTopic } = config;
    const histories = new ProductHistories({ eventsTopic, broker: withDeadlines(broker, config) });
    const control = { isTimeUp: () => false, rest: async () => {} };
    for (let after: string | null = ''; after !== null && left > 0; ) {
      const { events, cursor } = await histories.page(sku, after, control);
      const shown = events.slice(0, left);
      left -= shown.length;
      if (json) shown.forEach(printJson);
      else
        table.print(
          shown.map(({ sequence, at, type, data, place }) => {
            return [sequence, at, type ?? '-', summary(data), place];
          }),
        );
      after = cursor;
    }
  });
  if (left === count)
    throw new Error(`The events topic has no event of the product ${sku}: check EVENTS_TOPIC`);
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
  return withDatabase({ mayCreate: false }, (database) => read(database.read.bind(database)));
}
