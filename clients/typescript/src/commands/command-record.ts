import { UnknownKeyError } from '../errors.ts';
import type { CommandData, CommandEvent } from './command.ts';

/** A command as any Kafka producer takes it. Send it to the topic `allocation.commands`. */
export interface CommandRecord {
  readonly key: string;
  readonly value: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** What only the sender knows of a command. */
export interface KeyFacts {
  /** All products of the order, or the one product of the batch, that the command names. */
  readonly skus: readonly string[];
}

/**
 * Makes the record of a command for a Kafka producer: a CloudEvent in binary mode, with the key
 * that keeps the order between commands about the same product.
 *
 * The key is the sku. Every command about an order of several products has the order's id as its
 * key. The producer must choose the partition by murmur2, as JavaScript's clients do.
 *
 * @param facts ChangeBatchQuantity needs the sku of its batch, and DeallocateOrder all skus of its
 * order. AllocateOrder needs them only if other commands allocate further lines of the order.
 * @throws {UnknownKeyError} these facts are missing, or name several skus for one batch
 */
export function toRecord(
  command: CommandEvent<'CreateBatch' | 'AllocateOrder'>,
  facts?: KeyFacts,
): CommandRecord;
export function toRecord(command: CommandEvent, facts: KeyFacts): CommandRecord;
export function toRecord(command: CommandEvent, facts: KeyFacts = { skus: [] }): CommandRecord {
  const { specversion, id, source, type, dataschema, correlationid, traceparent } = command;
  return {
    key: keyOf(command, facts.skus),
    value: JSON.stringify(command.data),
    headers: {
      'content-type': 'application/json',
      ce_specversion: specversion,
      ce_id: id,
      ce_source: source,
      ce_type: type,
      ce_dataschema: dataschema,
      ...(correlationid !== undefined && { ce_correlationid: correlationid }),
      ...(traceparent !== undefined && { traceparent }),
    },
  };
}

function keyOf({ type, data }: CommandEvent, known: readonly string[]): string {
  const skus = new Set([...skusIn(data), ...known]);
  const [first, ...more] = skus;
  if (type === 'DeallocateOrder' && known.length === 0)
    throw new UnknownKeyError('DeallocateOrder needs the skus of its order: toRecord(…, { skus })');
  if (first === undefined)
    throw new UnknownKeyError(`${type} needs the sku of its batch: toRecord(…, { skus: [sku] })`);
  if (more.length === 0) return first;
  if ('orderid' in data) return data.orderid;
  throw new UnknownKeyError(`A batch has one sku, not ${skus.size}: ${[...skus].join(', ')}`);
}

function skusIn(data: CommandData<CommandEvent['type']>): readonly string[] {
  if ('lines' in data) return data.lines.map(({ sku }) => sku);
  return 'sku' in data && data.sku !== undefined ? [data.sku] : [];
}
