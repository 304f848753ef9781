import { InvalidArgumentError } from 'commander';
import { COMMAND_TYPES } from '../domain/command-scopes.ts';
import type { Command } from '../domain/commands.ts';
import { nameHint } from '../nearest-name.ts';
import { UsageError } from './errors.ts';

type FieldKind = 'text' | 'number' | 'text-or-null' | 'json';

/** The fields of each command, as people type them on the command line. */
const fieldsByType: Readonly<Record<Command['type'], Readonly<Record<string, FieldKind>>>> = {
  CreateBatch: { reference: 'text', sku: 'text', quantity: 'number', eta: 'text-or-null' },
  AllocateOrder: { orderid: 'text', sku: 'text', qty: 'number', lines: 'json' },
  ChangeBatchQuantity: { reference: 'text', quantity: 'number' },
  DeallocateOrder: { orderid: 'text', sku: 'text' },
};

/**
 * Makes a plain JSON command of `key=value` arguments.
 *
 * @example
 * plainCommand('AllocateOrder', ['orderid=order-1', 'sku=LAMP', 'qty=2']);
 * // { type: 'AllocateOrder', orderid: 'order-1', sku: 'LAMP', qty: 2 }
 * @throws {UsageError} the type or a field is unknown, or an argument is not `key=value`
 */
export function plainCommand(type: string, pairs: readonly string[]): Record<string, unknown> {
  if (!Object.hasOwn(fieldsByType, type))
    throw new UsageError(`Unknown command "${type}"; ${nameHint(type, COMMAND_TYPES)}`);
  const fields: Readonly<Record<string, FieldKind>> = {
    ...fieldsByType[type as Command['type']],
    id: 'text',
  };
  const command: Record<string, unknown> = { type };
  for (const pair of pairs) {
    const [, name, text] = /^([^=]+)=(.*)$/s.exec(pair) ?? [];
    if (name === undefined || text === undefined)
      throw new UsageError(`Write "${pair}" as key=value`);
    const kind = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (!kind)
      throw new UsageError(
        `${name} is not a field of ${type}; ${nameHint(name, Object.keys(fields))}`,
      );
    if (Object.hasOwn(command, name)) throw new UsageError(`The field ${name} is given twice`);
    command[name] = parseField(name, text, kind);
  }
  return command;
}

function parseField(name: string, text: string, kind: FieldKind): unknown {
  if (kind === 'text-or-null') return text === 'null' ? null : text;
  // A text that is not a number stays a text. The schema of the command then says what is wrong.
  if (kind === 'number') return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
  if (kind === 'text') return text;
  try {
    return JSON.parse(text);
  } catch {
    throw new UsageError(`${name} must be JSON, e.g. ${name}='[{"sku":"LAMP","qty":1}]'`);
  }
}

/** Parses an option that is a count. @throws {InvalidArgumentError} */
export function parseCount(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number, 1 or more.');
}
