import { isDate, isName, isObject, isWhole } from '../values.ts';
import type { CommandType } from './command.ts';

/** One thing that is wrong with a command. */
export interface FieldProblem {
  /** Where it is wrong: `sku`, `lines.2.qty`, or `data` for the command as a whole. */
  readonly field: string;
  /** What is wrong, for people: `is required`. */
  readonly message: string;
}

type Fields = Readonly<Record<string, unknown>>;
type Complain = (field: string, message: string) => void;

/** The most lines of one order. */
export const MAX_LINES = 500;

/** The fields of each type of command, in the order in which problems are listed. */
const FIELDS: { readonly [T in CommandType]: readonly string[] } = {
  CreateBatch: ['reference', 'sku', 'quantity', 'eta'],
  AllocateOrder: ['orderid', 'sku', 'qty', 'lines'],
  ChangeBatchQuantity: ['reference', 'quantity'],
  DeallocateOrder: ['orderid', 'sku'],
};

/** Every type of command. */
export const COMMAND_TYPES = Object.keys(FIELDS) as readonly CommandType[];

const RULES: { readonly [T in CommandType]: (fields: Fields, complain: Complain) => void } = {
  CreateBatch(fields, complain) {
    name(fields, 'reference', complain);
    name(fields, 'sku', complain);
    whole(fields, 'quantity', 0, complain);
    const { eta = null } = fields;
    if (eta !== null && !isDate(eta))
      complain('eta', 'must be a date that exists, YYYY-MM-DD, or null');
  },
  AllocateOrder(fields, complain) {
    name(fields, 'orderid', complain);
    if (fields.lines === undefined) {
      name(fields, 'sku', complain, 'is required, unless the order has lines');
      whole(fields, 'qty', 1, complain, 'is required, unless the order has lines');
      return;
    }
    for (const field of ['sku', 'qty'])
      if (fields[field] !== undefined) complain(field, 'must be absent together with lines');
    orderLines(fields.lines, complain);
  },
  ChangeBatchQuantity(fields, complain) {
    name(fields, 'reference', complain);
    whole(fields, 'quantity', 0, complain);
  },
  DeallocateOrder(fields, complain) {
    name(fields, 'orderid', complain);
    if (fields.sku !== undefined) name(fields, 'sku', complain);
  },
};

/**
 * Lists what is wrong with a command, by the rules of the service. Empty: the command is valid.
 * A field that the type of command does not have is wrong too, because it is most likely misspelt.
 */
export function validateCommand(type: string, data: unknown): readonly FieldProblem[] {
  if (!isCommandType(type)) {
    const message = `Unknown command "${type}"; use one of: ${COMMAND_TYPES.join(', ')}`;
    return [{ field: 'type', message }];
  }
  if (!isObject(data)) return [{ field: 'data', message: 'must be a JSON object' }];
  const problems: FieldProblem[] = [];
  const complain: Complain = (field, message) => void problems.push({ field, message });
  RULES[type](data, complain);
  unknownFields(data, FIELDS[type], '', complain);
  return problems;
}

function orderLines(lines: unknown, complain: Complain): void {
  if (!Array.isArray(lines)) {
    complain('lines', 'must be an array of lines');
    return;
  }
  if (lines.length === 0) complain('lines', 'must have at least one line');
  if (lines.length > MAX_LINES) complain('lines', `must have at most ${MAX_LINES} lines`);
  const seen = new Set<unknown>();
  for (const [index, line] of lines.entries()) {
    const at: Complain = (field, message) => complain(`lines.${index}.${field}`, message);
    if (!isObject(line)) {
      complain(`lines.${index}`, 'must be an object with sku and qty');
      continue;
    }
    name(line, 'sku', at);
    whole(line, 'qty', 1, at);
    if (seen.has(line.sku)) at('sku', 'is in the order twice');
    seen.add(line.sku);
    unknownFields(line, ['sku', 'qty'], `lines.${index}.`, complain);
  }
}

function unknownFields(
  fields: Fields,
  known: readonly string[],
  prefix: string,
  complain: Complain,
): void {
  for (const [field, value] of Object.entries(fields))
    if (value !== undefined && !known.includes(field))
      complain(`${prefix}${field}`, `is not a field here; use: ${known.join(', ')}`);
}

function name(fields: Fields, field: string, complain: Complain, missing = 'is required'): void {
  const value = fields[field];
  if (value === undefined) complain(field, missing);
  else if (typeof value !== 'string') complain(field, 'must be a string');
  else if (!isName(value))
    complain(field, 'must be 1 to 255 characters without control characters');
}

function whole(
  fields: Fields,
  field: string,
  min: number,
  complain: Complain,
  missing = 'is required',
): void {
  const value = fields[field];
  if (value === undefined) complain(field, missing);
  else if (!isWhole(value, Number.MIN_SAFE_INTEGER))
    complain(field, 'must be a whole number, at most 2^53 - 1');
  else if (value < min)
    complain(field, min === 0 ? 'must not be negative' : `must be at least ${min}`);
}

function isCommandType(type: string): type is CommandType {
  return Object.hasOwn(FIELDS, type);
}
