import { InvalidArgumentError } from 'commander';
import type { Command as DomainCommand } from '../domain/commands.ts';
import { UsageError } from './errors.ts';

type FieldKind = 'text' | 'number' | 'text-or-null' | 'json';

/** The fields of each command as they are typed on the command line. */
const fieldsByType: Readonly<Record<DomainCommand['type'], Readonly<Record<string, FieldKind>>>> = {
  CreateBatch: { reference: 'text', sku: 'text', quantity: 'number', eta: 'text-or-null' },
  AllocateOrder: { orderid: 'text', sku: 'text', qty: 'number', lines: 'json' },
  ChangeBatchQuantity: { reference: 'text', quantity: 'number' },
  DeallocateOrder: { orderid: 'text', sku: 'text' },
};

/**
 * The command in its plain form, out of `key=value` arguments.
 * @throws {UsageError} an unknown type or field, or an argument that is no `key=value`
 */
export function plainCommand(type: string, pairs: readonly string[]): Record<string, unknown> {
  if (!Object.hasOwn(fieldsByType, type))
    throw new UsageError(`"${type}" is no command: ${Object.keys(fieldsByType).join(', ')} are`);
  const fields: Readonly<Record<string, FieldKind>> = {
    ...fieldsByType[type as DomainCommand['type']],
    id: 'text',
  };
  const command: Record<string, unknown> = { type };
  for (const pair of pairs) {
    const [, name, text] = /^([^=]+)=(.*)$/s.exec(pair) ?? [];
    if (name === undefined || text === undefined) throw new UsageError(`"${pair}" is no key=value`);
    const kind = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (!kind)
      throw new UsageError(
        `${type} has no field "${name}": ${Object.keys(fields).join(', ')} are its fields`,
      );
    if (Object.hasOwn(command, name)) throw new UsageError(`${name} is there twice`);
    command[name] = typed(name, text, kind);
  }
  return command;
}

function typed(name: string, text: string, kind: FieldKind): unknown {
  if (kind === 'text-or-null') return text === 'null' ? null : text;
  // What is no number stays text, and the schema says what it should be.
  if (kind === 'number') return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
  if (kind === 'text') return text;
  try {
    return JSON.parse(text);
  } catch {
    throw new UsageError(`${name} must be JSON, e.g. ${name}='[{"sku":"LAMP","qty":1}]'`);
  }
}

/** The parser of an option that is a count. */
export function positive(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number, at least 1.');
}
