import { z } from 'zod';
import { nameHint } from '../nearest-name.ts';

/** The fields of an object, by name. Null: a value. A map: the fields of the objects inside. */
export type KnownFields = ReadonlyMap<string, KnownFields | null>;

/** A field that no schema reads. */
export interface UnknownField {
  /** The names and indexes that lead to the field, as the sender wrote them. */
  readonly path: readonly (string | number)[];
  /** The names of the fields that a schema reads at the same place. */
  readonly known: readonly string[];
}

/** The most unknown fields of a message that a text names. A message has room for 100,000. */
const MAX_UNKNOWN_FIELDS = 20;
/** How much of an unknown name is shown. A name may be as long as the message. */
const SHOWN_CHARACTERS = 80;
const NONE: readonly UnknownField[] = [];

/**
 * Lists the fields that a schema reads, so that no second list can differ from the schema.
 *
 * @returns null: the schema does not read an object, or an array of objects
 */
export function knownFieldsOf(schema: z.core.$ZodType): KnownFields | null {
  if (schema instanceof z.ZodObject) {
    const fields = Object.entries<z.core.$ZodType>(schema.shape);
    return new Map(fields.map(([name, field]) => [name, knownFieldsOf(field)]));
  }
  if (schema instanceof z.ZodArray) return knownFieldsOf(schema.element);
  if (schema instanceof z.ZodPipe) return knownFieldsOf(schema.in);
  const isWrapped =
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault;
  return isWrapped ? knownFieldsOf(schema.unwrap()) : null;
}

/** Finds the fields of the data that the schema does not read: at most the first 20. */
export function unknownFieldsIn(data: unknown, known: KnownFields): readonly UnknownField[] {
  // Almost no command has an unknown field. This check is cheap, and allocates nothing.
  if (!hasUnknown(data, known)) return NONE;
  return findUnknown(data, known, []).take(MAX_UNKNOWN_FIELDS).toArray();
}

function hasUnknown(data: unknown, known: KnownFields): boolean {
  if (!isObject(data)) return false;
  for (const name in data) {
    const inner = known.get(name);
    if (inner === undefined) return true;
    if (inner === null) continue;
    const inside = data[name];
    const isFound = Array.isArray(inside)
      ? inside.some((each) => hasUnknown(each, inner))
      : hasUnknown(inside, inner);
    if (isFound) return true;
  }
  return false;
}

function* findUnknown(
  data: unknown,
  known: KnownFields,
  path: UnknownField['path'],
): Generator<UnknownField, undefined> {
  if (!isObject(data)) return;
  for (const name in data) {
    const inner = known.get(name);
    const here = [...path, name];
    if (inner === undefined) yield { path: here, known: [...known.keys()] };
    if (!inner) continue;
    const inside = data[name];
    if (!Array.isArray(inside)) yield* findUnknown(inside, inner, here);
    else
      for (const [index, each] of inside.entries())
        yield* findUnknown(each, inner, [...here, index]);
  }
}

/** Tells whether the value is an object, and not an array. So the schema alone limits the depth. */
function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Writes a path for people: `lines.0.sku`. Long names are cut, and control characters escaped. */
export function pathText(path: UnknownField['path']): string {
  return path
    .map((part) => JSON.stringify(String(part).slice(0, SHOWN_CHARACTERS)).slice(1, -1))
    .join('.');
}

/** Returns the words behind a field's name: the type has no such field, and which one was meant. */
export function unknownFieldText({ path, known }: UnknownField, type: string): string {
  const name = String(path.at(-1)).slice(0, SHOWN_CHARACTERS);
  return `is not a field of ${type}; ${nameHint(name, known)}`;
}
