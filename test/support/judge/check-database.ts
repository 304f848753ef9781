import type { StockTables } from './history.ts';
import { formerIdentity, identityIn } from './identity.ts';
import type { ModelsBySku } from './models-by-sku.ts';
import type { Case, Rule } from './rule.ts';
import type { Report } from './violations.ts';

/** Checks that the tables equal the stock of the models, and that no batch is oversold. */
export function checkStock(
  { history: { tables }, unknownSkus }: Case,
  models: ModelsBySku,
  report: Report,
): void {
  for (const { reference, allocated, quantity } of tables.batches) {
    if (allocated > quantity) report('oversold', `${reference}: ${allocated} of ${quantity}`);
  }
  const found = rowsOf(tables, unknownSkus);
  const expected = rowsExpected(models, unknownSkus);
  for (const [what, wanted] of Object.entries(expected)) {
    const missing = new Set(wanted);
    for (const row of found[what as keyof Rows])
      if (!missing.delete(row)) report('database', `${what} should not exist: ${row}`);
    for (const row of missing) report('database', `${what} is missing: ${row}`);
  }
}

/** The rows of each table, as text. */
type Rows = Readonly<Record<'a batch' | 'a line' | 'a product', readonly string[]>>;

const batchRow = (
  { reference, sku, quantity, eta }: Omit<StockTables['batches'][number], 'allocated'>,
  allocated: number,
) => JSON.stringify([reference, sku, quantity, eta, allocated]);
const lineRow = ({ orderid, sku, qty, batchref }: StockTables['lines'][number]) =>
  JSON.stringify([orderid, sku, qty, batchref]);
const productRow = (sku: string, version: number) => JSON.stringify([sku, version]);

function rowsOf({ batches, lines, products }: StockTables, unknownSkus: ReadonlySet<string>): Rows {
  const isKnown = ({ sku }: { readonly sku: string }) => !unknownSkus.has(sku);
  return {
    'a batch': batches.filter(isKnown).map((batch) => batchRow(batch, batch.allocated)),
    'a line': lines.filter(isKnown).map(lineRow),
    'a product': products.filter(isKnown).map(({ sku, version }) => productRow(sku, version)),
  };
}

function rowsExpected(models: ModelsBySku, unknownSkus: ReadonlySet<string>): Rows {
  const known = models.except(unknownSkus);
  return {
    'a batch': known.flatMap(([, model]) =>
      model.batches.map((batch) => batchRow(batch, batch.quantity - model.available(batch))),
    ),
    'a line': known.flatMap(([, model]) => model.lines.map(lineRow)),
    'a product': known
      .filter(([, model]) => model.batches.length > 0)
      .map(([sku]) => productRow(sku, models.sequenceOf(sku))),
  };
}

/**
 * Checks that exactly the ids of handled commands are kept. A command whose id is kept wrongly
 * would be dropped.
 */
export const checkProcessedIds: Rule = ({ lanes, history: { tables }, deleted }, report) => {
  const { formerIds = new Set() } = tables;
  const processedIds = new Set([...tables.processedIds].map(identityIn));
  const handled = new Set(
    lanes.flat().flatMap(({ id, identity }) => [identity, formerIdentity(id)]),
  );
  for (const { id, identity, place } of lanes.flat())
    if (!processedIds.has(identity) && !formerIds.has(id))
      report('processed-ids', `${identity} (${place}) is missing`);
  // If commands or answers were deleted, a kept id may be all that remains of a command.
  if (deleted.hasCommands || deleted.hasAnswers) return;
  for (const id of [...processedIds, ...[...formerIds].map(formerIdentity)])
    if (!handled.has(id)) report('processed-ids', `${id} is kept, but was never handled`);
};

/**
 * Checks that group and database stand at the same place at rest: behind the last command, and at
 * most at the end.
 */
export const checkPositions: Rule = ({ history }, report) => {
  const { commands, committedOffsets, ends, tables } = history;
  const topic = commands[0]?.topic;
  for (const [partition, end] of ends) {
    const last = commands.reduce(
      (found, record) => (record.partition === partition ? Math.max(found, record.offset) : found),
      -1,
    );
    const committed = committedOffsets.get(partition) ?? 0;
    const position =
      tables.positions.find(
        (each) => each.partition === partition && each.topic === (topic ?? each.topic),
      )?.nextOffset ?? 0;
    if (committed === position && position > last && position <= end) continue;
    const places = `committed ${committed}, position ${position}, last command ${last}, end ${end}`;
    report('positions', `${topic}/${partition}: ${places}`);
  }
};

/**
 * Checks that a service that was stopped in order leaves no answer in the outbox, published or not.
 */
export const checkOutbox: Rule = ({ history: { committedOffsets, tables } }, report) => {
  for (const { topic, partition, nextOffset } of tables.outbox) {
    const committed = committedOffsets.get(partition) ?? 0;
    report(
      'outbox',
      `${topic}/${partition}: answers up to ${nextOffset} remain, committed ${committed}`,
    );
  }
};

/** Checks that nothing waits behind a failed command. */
export const checkParkedCommands: Rule = ({ history, allowances }, report) => {
  if (allowances.mayStayParked) return;
  for (const id of history.tables.parkedIds) report('still-parked', id);
};
