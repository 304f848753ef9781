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

/** A keyword of JSON Schema. Written as a property, the lint takes it for that of a promise. */
const THEN = 'then';

const COMPARISONS: Readonly<Record<string, Comparison>> = {
  ...VALUE_KEYWORDS,
  properties: compareFields,
  required: compareRequired,
  additionalProperties: compareOtherFields,
  items: nested('items', (path) => `${path}[]`),
  [THEN]: nested(THEN, (path) => path),
  anyOf: alternatives('anyOf'),
  oneOf: alternatives('oneOf'),
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

/** Compares what the fields must be that `properties` does not name. */
function compareOtherFields(former: JsonSchema, present: JsonSchema, path: string) {
  const [before, now] = [former.additionalProperties, present.additionalProperties];
  return typeof before === 'object' && typeof now === 'object'
    ? compareSchemas(before as JsonSchema, now as JsonSchema, joined(path, '*'))
    : [{ path, text: 'additionalProperties changed', effect: effectOf(before, now) }];
}

/** Compares a schema inside the schema. Without it, everything fits. */
function nested(keyword: string, pathOf: (path: string) => string): Comparison {
  return (former, present, path) => {
    const [before, now] = [former[keyword], present[keyword]] as (JsonSchema | undefined)[];
    return compareSchemas(before ?? {}, now ?? {}, pathOf(path));
  };
}

function schemasIn(schema: JsonSchema, keyword: string): readonly JsonSchema[] {
  return (schema[keyword] ?? []) as readonly JsonSchema[];
}

/** Returns what only the first list has. Words for people do not count. */
function onlyIn(list: readonly JsonSchema[], other: readonly JsonSchema[]) {
  return list.filter((each) => !other.some((same) => compareSchemas(each, same).length === 0));
}

/** Compares the alternatives that only one side has, in their order. */
function alternatives(keyword: 'anyOf' | 'oneOf'): Comparison {
  return (former, present, path): readonly SchemaChange[] => {
    const [before, now] = [schemasIn(former, keyword), schemasIn(present, keyword)];
    if (before.length === 0 || now.length === 0) {
      const effect = effectOf(former[keyword], present[keyword]);
      return [{ path, text: `${keyword} changed`, effect }];
    }
    const [gone, added] = [onlyIn(before, now), onlyIn(now, before)];
    if (gone.length === added.length)
      return gone.flatMap((each, index) => compareSchemas(each, added[index] ?? {}, path));
    if (gone.length === 0) return [{ path, text: 'one more alternative', effect: 'widens' }];
    if (added.length === 0) return [{ path, text: 'one alternative fewer', effect: 'narrows' }];
    return [{ path, text: 'other alternatives', effect: 'breaks' }];
  };
}

/** Compares the parts that only one side has. Parts with the same condition belong together. */
function compareParts(former: JsonSchema, present: JsonSchema, path: string) {
  const [before, now] = [schemasIn(former, 'allOf'), schemasIn(present, 'allOf')];
  const added = [...onlyIn(now, before)];
  const changes = onlyIn(before, now).flatMap((part): readonly SchemaChange[] => {
    const index = added.findIndex((each) => isDeepStrictEqual(each.if, part.if));
    const [other] = index === -1 ? [] : added.splice(index, 1);
    return other
      ? compareSchemas(part, other, path)
      : [{ path, text: 'one part fewer', effect: 'widens' }];
  });
  const more = added.map(() => ({ path, text: 'one more part', effect: 'narrows' as const }));
  return [...changes, ...more];
}
