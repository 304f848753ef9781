import type { Command } from './commands.ts';

/*
 * What a command is about, in words that can be compared: `sku:LAMP`, `batch:b1`, `order:o1`.
 */

/** What the subject of a product begins with. */
export const SKU = 'sku:';

/** The subjects that a command's own words say, whatever is stored. */
export function subjectsNamedBy(command: Command): readonly string[] {
  const own = 'reference' in command ? `batch:${command.reference}` : `order:${command.orderid}`;
  return [own, ...skusNamedBy(command).map(subjectOfSku)];
}

/** The products that a command's own words say, whatever is stored. */
export function skusNamedBy(command: Command): readonly string[] {
  switch (command.type) {
    case 'CreateBatch':
      return [command.sku];
    case 'AllocateOrder':
      return command.lines.map(({ sku }) => sku);
    case 'ChangeBatchQuantity':
      return [];
    case 'DeallocateOrder':
      return command.sku === null ? [] : [command.sku];
  }
}

/** The subject that a product is. */
export function subjectOfSku(sku: string): string {
  return SKU + sku;
}
