import type { JsonSchema } from './json-schemas.ts';

/**
 * What a change does to the set of data that fits.
 * - `adds`: a field that nobody must know.
 * - `narrows`: some data no longer fits.
 * - `widens`: more data fits.
 * - `breaks`: both, or nobody can tell.
 */
export type Effect = 'adds' | 'narrows' | 'widens' | 'breaks';

export interface SchemaChange {
  /** The field, such as `lines[].sku`. Empty: the data as a whole. */
  readonly path: string;
  /** Says in a few words what has changed. */
  readonly text: string;
  readonly effect: Effect;
}

/** Returns the effect of a keyword: a new one narrows, a removed one widens, a changed one both. */
export function effectOf(before: unknown, now: unknown): Effect {
  if (before === undefined) return 'narrows';
  return now === undefined ? 'widens' : 'breaks';
}

/** Compares one keyword of two schemas. */
export type Comparison = (
  former: JsonSchema,
  present: JsonSchema,
  path: string,
) => readonly SchemaChange[];

/** Compares the keywords that say which values fit. `schema-changes.ts` compares the fields. */
export const VALUE_KEYWORDS: Readonly<Record<string, Comparison>> = {
  type: compareTypes,
  const: compareValues,
  enum: compareValues,
  minimum: limit('minimum', 'lower'),
  exclusiveMinimum: limit('exclusiveMinimum', 'lower'),
  minLength: limit('minLength', 'lower'),
  minItems: limit('minItems', 'lower'),
  maximum: limit('maximum', 'upper'),
  exclusiveMaximum: limit('exclusiveMaximum', 'upper'),
  maxLength: limit('maxLength', 'upper'),
  maxItems: limit('maxItems', 'upper'),
  // Leaving the field out means something else now.
  default: (_former, _present, path) => [{ path, text: 'another default', effect: 'breaks' }],
};

function compareTypes(former: JsonSchema, present: JsonSchema, path: string) {
  const [before, now] = [typesOf(former), typesOf(present)];
  return sets(before, now, path, 'type');
}

/** Every integer is a number too. Without a type, all types fit. */
function typesOf({ type }: JsonSchema): readonly unknown[] | null {
  if (type === undefined) return null;
  const types = Array.isArray(type) ? type : [type];
  return types.includes('number') ? [...types, 'integer'] : types;
}

function compareValues(former: JsonSchema, present: JsonSchema, path: string) {
  return sets(valuesOf(former), valuesOf(present), path, 'value');
}

function valuesOf(schema: JsonSchema): readonly unknown[] | null {
  if ('const' in schema) return [schema.const];
  return Array.isArray(schema.enum) ? schema.enum : null;
}

/** Compares two sets. Null: all things. */
function sets(
  before: readonly unknown[] | null,
  now: readonly unknown[] | null,
  path: string,
  what: string,
): readonly SchemaChange[] {
  const gone = leftOver(before, now);
  const added = leftOver(now, before);
  if (gone.length === 0 && added.length === 0) return [];
  const effect = gone.length === 0 ? 'widens' : added.length === 0 ? 'narrows' : 'breaks';
  const texts = [
    ...(gone.length > 0 ? [`without the ${what} ${gone.join(', ')}`] : []),
    ...(added.length > 0 ? [`with the ${what} ${added.join(', ')}`] : []),
  ];
  return [{ path, text: texts.join(', '), effect }];
}

/** Returns what only the first set has. */
function leftOver(one: readonly unknown[] | null, other: readonly unknown[] | null) {
  if (other === null) return [];
  return one === null ? ['others'] : one.filter((each) => !other.includes(each));
}

function limit(keyword: string, side: 'lower' | 'upper'): Comparison {
  return (former, present, path) => {
    const [before, now] = [former[keyword], present[keyword]] as readonly (number | undefined)[];
    const text = `${keyword} was ${before ?? 'absent'}, is ${now ?? 'absent'}`;
    if (before === undefined || now === undefined)
      return [{ path, text, effect: effectOf(before, now) }];
    const isNarrower = side === 'lower' ? now > before : now < before;
    return [{ path, text, effect: isNarrower ? 'narrows' : 'widens' }];
  };
}
