import type { Command } from './commands.ts';

/*
 * What a command is about, in words that can be compared: `sku:LAMP`, `batch:b1`, `order:o1`.
 */

/** What the subject of a product begins with. */
export const SKU = 'sku:';

/** The subjects that a command's own words say, whatever is stored. */
export function subjectsNamedBy(command: Command): readonly string[] {
  switch (command.type) {
    case 'CreateBatch':
      return [`batch:${command.reference}`, subjectOfSku(command.sku)];
    case 'AllocateOrder':
      return [`order:${command.orderid}`, ...skuSubjects(command.lines)];
    case 'ChangeBatchQuantity':
      return [`batch:${command.reference}`];
    case 'DeallocateOrder':
      return [`order:${command.orderid}`, ...(command.sku === null ? [] : [subjectOfSku(command.sku)])];
  }
}

/** The subject that a product is. */
export function subjectOfSku(sku: string): string {
  return SKU + sku;
}

export function skuSubjects(products: readonly { readonly sku: string }[]): readonly string[] {
  return products.map(({ sku }) => subjectOfSku(sku));
}
