import { scopeOf } from './command-scopes.ts';
import type { Command } from './commands.ts';

/*
 * A subject is a thing that commands are about, as a string that can be compared: `sku:LAMP`,
 * `batch:b1`, `order:o1`. Commands with a common subject must not overtake each other.
 */

/** The subject of a product begins with this prefix. */
export const SKU = 'sku:';
const BATCH = 'batch:';
const ORDER = 'order:';

/** Lists the subjects that the command names, without a look at what is stored. */
export function subjectsNamedBy(command: Command): readonly string[] {
  const scope = scopeOf(command);
  const reference = scope.batch(command);
  const orderid = scope.order(command);
  const subjects: string[] = [];
  if (reference !== null) subjects.push(BATCH + reference);
  if (orderid !== null) subjects.push(ORDER + orderid);
  for (const sku of scope.skus(command)) subjects.push(subjectOfSku(sku));
  return subjects;
}

/** Lists the products that the command names, without a look at what is stored. */
export function skusNamedBy(command: Command): readonly string[] {
  return scopeOf(command).skus(command);
}

/** Makes the subject of a product. */
export function subjectOfSku(sku: string): string {
  return SKU + sku;
}
