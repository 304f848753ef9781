import { isDeepStrictEqual } from 'node:util';
import type { JsonSchema } from './json-schemas.ts';
import { type Comparison, effectOf, type SchemaChange, VALUE_KEYWORDS } from './schema-keywords.ts';

/** Compares two JSON Schemas without references. Words for people do not count. */
export function compareSchemas(
  former: JsonSchema,
  present: JsonSchema,
  path = '',
): readonly SchemaChange[] {
  const keywords = new Set([...Object.keys(former), ...Object.keys(present)]);
  return [...keywords].flatMap((keyword): readonly SchemaChange[] => {
    const [before, now] = [former[keyword], present[keyword]];
    if (WORDS.has(keyword) || isDeepStrictEqual(before, now)) return [];
    // A list of values stands in `const` or in `enum`. Compare it once.
    if (keyword === 'const' && keywords.has('enum')) return [];
    const compare = COMPARISONS[keyword];
    return compare
      ? compare(former, present, path)
      : [{ path, text: `${keyword} changed`, effect: effectOf(before, now) }];
  });
}

/** Keywords that only people read. */
const WORDS = new Set([
  '$comment',
  '$id',
  '$schema',
  'deprecated',
  'description',
  'examples',
  'title',
]);

const COMPARISONS: Readonly<Record<string, Comparison>> = {
  ...VALUE_KEYWORDS,
  properties: compareFields,
  required: compareRequired,
  items: compareItems,
  anyOf: compareAlternatives,
  allOf: compareParts,
};

function fieldsOf({ properties = {} }: JsonSchema): Readonly<Record<string, JsonSchema>> {
  return properties as Readonly<Record<string, JsonSchema>>;
}

function compareFields(former: JsonSchema, present: JsonSchema, path: string) {
  const [before, now] = [fieldsOf(former), fieldsOf(present)];
  const names = new Set([...Object.keys(before), ...Object.keys(now)]);
  return [...names].flatMap((name): readonly SchemaChange[] => {
    const here = joined(path, name);
    const [one, other] = [before[name], now[name]];
    if (other === undefined) return [{ path: here, text: 'the field is gone', effect: 'breaks' }];
    if (one !== undefined) return compareSchemas(one, other, here);
    return isRequired(present, name)
      ? [{ path: here, text: 'a new required field', effect: 'narrows' }]
      : [{ path: here, text: 'a new optional field', effect: 'adds' }];
  });
}

/** Compares the fields that both have. `compareFields` tells of new and gone fields. */
function compareRequired(former: JsonSchema, present: JsonSchema, path: string) {
  const now = new Set(Object.keys(fieldsOf(present)));
  return Object.keys(fieldsOf(former)).flatMap((name): readonly SchemaChange[] => {
    if (!now.has(name) || isRequired(former, name) === isRequired(present, name)) return [];
    return isRequired(present, name)
      ? [{ path: joined(path, name), text: 'the field is required now', effect: 'narrows' }]
      : [{ path: joined(path, name), text: 'the field is optional now', effect: 'widens' }];
  });
}

function joined(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

function isRequired({ required }: JsonSchema, name: string): boolean {
  return Array.isArray(required) && required.includes(name);
}

function compareItems(former: JsonSchema, present: JsonSchema, path: string) {
  const [before, now] = [former.items, present.items] as (JsonSchema | undefined)[];
  return compareSchemas(before ?? {}, now ?? {}, `${path}[]`);
}

/** Compares the alternatives that only one side has. */
function compareAlternatives(
  former: JsonSchema,
  present: JsonSchema,
  path: string,
): readonly SchemaChange[] {
  const [before, now] = [former.anyOf, present.anyOf] as (readonly JsonSchema[] | undefined)[];
  if (!before || !now) return [{ path, text: 'anyOf changed', effect: effectOf(before, now) }];
  const gone = before.filter((each) => !now.some((other) => isDeepStrictEqual(each, other)));
  const added = now.filter((each) => !before.some((other) => isDeepStrictEqual(each, other)));
  const [one, other] = [gone[0], added[0]];
  if (gone.length === 0) return [{ path, text: 'one more alternative', effect: 'widens' }];
  if (added.length === 0) return [{ path, text: 'one alternative fewer', effect: 'narrows' }];
  return gone.length === 1 && added.length === 1 && one && other
    ? compareSchemas(one, other, path)
    : [{ path, text: 'other alternatives', effect: 'breaks' }];
}

function compareParts(former: JsonSchema, present: JsonSchema, path: string) {
  const [before, now] = [former.allOf, present.allOf] as (readonly JsonSchema[] | undefined)[];
  if (before?.length !== now?.length)
    return [{ path, text: 'allOf changed', effect: effectOf(before, now) }];
  return (before ?? []).flatMap((each, index) => compareSchemas(each, now?.[index] ?? {}, path));
}
