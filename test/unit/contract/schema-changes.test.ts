import { describe, expect, it } from 'vitest';
import type { JsonSchema } from '../../../src/contract/json-schemas.ts';
import { compareSchemas } from '../../../src/contract/schema-changes.ts';
import type { Effect } from '../../../src/contract/schema-keywords.ts';

const object = (properties: Record<string, JsonSchema>, required: readonly string[] = []) => ({
  type: 'object',
  properties,
  required,
});
const text = { type: 'string' };
const orNull = (schema: JsonSchema) => ({ anyOf: [schema, { type: 'null' }] });

/** Says what the field `b` must be if the field `a` has a value. */
const when = (value: string, schema: JsonSchema) => ({
  if: { properties: { a: { const: value } } },
  ['then' as string]: { properties: { b: schema } },
});

type Planted = readonly [title: string, JsonSchema, JsonSchema, Effect | null, path?: string];

const planted: readonly Planted[] = [
  ['the same', object({ a: text }), object({ a: text }), null],
  ['another description', { ...text, description: 'x' }, { ...text, description: 'y' }, null],
  ['a new optional field', object({}), object({ a: text }), 'adds', 'a'],
  ['a new required field', object({}), object({ a: text }, ['a']), 'narrows', 'a'],
  ['a field that is gone', object({ a: text }), object({}), 'breaks', 'a'],
  ['a required field that is gone', object({ a: text }, ['a']), object({}), 'breaks', 'a'],
  ['a field that is required now', object({ a: text }), object({ a: text }, ['a']), 'narrows', 'a'],
  ['a field that is optional now', object({ a: text }, ['a']), object({ a: text }), 'widens', 'a'],
  ['one type less', { type: ['string', 'null'] }, text, 'narrows'],
  ['one type more', text, { type: ['string', 'null'] }, 'widens'],
  ['another type', text, { type: 'boolean' }, 'breaks'],
  ['whole numbers instead of all', { type: 'number' }, { type: 'integer' }, 'narrows'],
  ['all numbers instead of whole ones', { type: 'integer' }, { type: 'number' }, 'widens'],
  ['a type at last', {}, text, 'narrows'],
  ['any type', text, {}, 'widens'],
  ['one value less', { enum: ['a', 'b'] }, { enum: ['a'] }, 'narrows'],
  ['one value more', { enum: ['a'] }, { enum: ['a', 'b'] }, 'widens'],
  ['another value', { const: 'a' }, { const: 'b' }, 'breaks'],
  ['a list instead of one value', { const: 'a' }, { enum: ['a', 'b'] }, 'widens'],
  ['one value instead of a list', { enum: ['a', 'b'] }, { const: 'a' }, 'narrows'],
  ['a list of values at last', text, { ...text, enum: ['a'] }, 'narrows'],
  ['a higher minimum', { minimum: 0 }, { minimum: 1 }, 'narrows'],
  ['a lower minimum', { minimum: 1 }, { minimum: 0 }, 'widens'],
  ['no minimum', { minimum: 1 }, {}, 'widens'],
  ['a shorter text', { maxLength: 255 }, { maxLength: 100 }, 'narrows'],
  ['a longer text', { maxLength: 255 }, { maxLength: 300 }, 'widens'],
  ['a limit at last', {}, { maxItems: 500 }, 'narrows'],
  ['a pattern at last', text, { ...text, pattern: '^a$' }, 'narrows'],
  ['no pattern', { ...text, pattern: '^a$' }, text, 'widens'],
  ['another pattern', { pattern: '^a$' }, { pattern: '^b$' }, 'breaks'],
  ['another default', { default: null }, { default: 'x' }, 'breaks'],
  ['a keyword that nobody knows', { uniqueItems: true }, { uniqueItems: 7 }, 'breaks'],
  ['no null any more', orNull(text), { anyOf: [text] }, 'narrows'],
  ['one alternative more', { anyOf: [text] }, orNull(text), 'widens'],
  ['a narrower alternative', orNull(text), orNull({ ...text, maxLength: 9 }), 'narrows'],
  ['another alternative', { oneOf: [text] }, { oneOf: [{ type: 'null' }] }, 'breaks'],
  ['one alternative more of oneOf', { oneOf: [text] }, { oneOf: [text, object({})] }, 'widens'],
  [
    'other alternatives',
    { anyOf: [text, { type: 'null' }, object({})] },
    { anyOf: [{ type: 'boolean' }, { type: 'integer' }] },
    'breaks',
  ],
  ['one part more', { allOf: [text] }, { allOf: [{ maxLength: 9 }, text] }, 'narrows'],
  [
    'one condition more',
    { allOf: [when('a', text)] },
    { allOf: [when('b', text), when('a', text)] },
    'narrows',
  ],
  [
    'a narrower condition',
    { allOf: [when('a', {})] },
    { allOf: [when('a', text)] },
    'narrows',
    'b',
  ],
  [
    'narrower other fields',
    { additionalProperties: {} },
    { additionalProperties: text },
    'narrows',
    '*',
  ],
  ['no other fields any more', {}, { additionalProperties: false }, 'narrows'],
  ['a narrower part', { allOf: [text] }, { allOf: [{ ...text, maxLength: 9 }] }, 'narrows'],
  [
    'a field of a list',
    object({ lines: { type: 'array', items: object({}) } }),
    object({ lines: { type: 'array', items: object({ unit: text }, ['unit']) } }),
    'narrows',
    'lines[].unit',
  ],
];

const rows = planted.map(([title, former, present, effect, path = '']) => {
  return { title, former, present, effect, path };
});

describe('A schema that changes', () => {
  it.each(rows)('by $title is judged', ({ former, present, effect, path }) => {
    const found = compareSchemas(former, present).map((each) => [each.path, each.effect]);
    expect(found).toEqual(effect === null ? [] : [[path, effect]]);
  });

  it('is judged as narrower where the other way round is wider', () => {
    const opposite: Partial<Record<Effect, Effect>> = { narrows: 'widens', widens: 'narrows' };
    for (const [title, former, present, effect] of planted) {
      const turned = effect && opposite[effect];
      // A new required field is gone the other way round, and that breaks.
      if (!turned || title.startsWith('a new') || title === 'a field of a list') continue;
      const [found] = compareSchemas(present, former);
      expect(found?.effect, title).toBe(turned);
    }
  });
});
