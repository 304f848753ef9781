import fc from 'fast-check';

/** Names that fit, at the limits too. */
const goodNames = fc.oneof(
  fc.constantFrom('LAMP', 'order-1', ' ', '/', 'a'.repeat(255), '😀'.repeat(255), '__proto__'),
  fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
    .filter((text) => !/\p{Cc}/u.test(text)),
);
/** Names that do not fit. Halves of surrogate pairs are apart: JSON Schema says nothing of them. */
const badNames = fc.constantFrom(
  '',
  'a'.repeat(256),
  '😀'.repeat(256),
  'a\u0000',
  '\n',
  '\u007f',
  '\u0085',
);
const wrongValues = fc.constantFrom<unknown>(null, true, 7, 'text', [], {}, ['LAMP'], { x: 1 });

const mostly = <T>(good: fc.Arbitrary<T>, bad: fc.Arbitrary<unknown>) =>
  fc.oneof(
    { weight: 40, arbitrary: good },
    { weight: 1, arbitrary: bad },
    { weight: 1, arbitrary: wrongValues },
  );

/** The values of one field: mostly good ones, bad ones in between. */
export const anyName = mostly(goodNames, badNames);
export const anyQty = mostly(
  fc.constantFrom(1, 2, Number.MAX_SAFE_INTEGER),
  fc.constantFrom(0, -1, 1.5, 2 ** 53, 1e300, '1'),
);
export const anyQuantity = mostly(
  fc.constantFrom(0, 1, Number.MAX_SAFE_INTEGER),
  fc.constantFrom(-1, 0.5, 2 ** 53, -1e300, '0'),
);
export const anyEta = mostly(
  fc.constantFrom(null, '2027-01-31', '2028-02-29', '0000-01-01', '9999-12-31'),
  fc.constantFrom('2027-02-29', '2027-13-01', '2027-1-1', '2027-01-31T00:00:00Z', ' 2027-01-31'),
);
export const anyOf = (...texts: readonly string[]) =>
  mostly(fc.constantFrom(...texts), fc.constantFrom('', 'CREATEBATCH', 'toString', '__proto__'));

/**
 * Makes objects that mostly have all these fields, and sometimes others, as they come out of JSON.
 *
 * @param optional fields that are often missing
 */
export function anyObject(
  fields: Readonly<Record<string, fc.Arbitrary<unknown>>>,
  optional: Readonly<Record<string, fc.Arbitrary<unknown>>> = {},
): fc.Arbitrary<Record<string, unknown>> {
  const extra = fc.oneof(
    { weight: 9, arbitrary: fc.constant({}) },
    { weight: 1, arbitrary: fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 2 }) },
  );
  const missing = fc.oneof(
    { weight: 9, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.constantFrom(null, ...Object.keys(fields)) },
  );
  const known = fc.record(
    { ...fields, ...optional },
    { requiredKeys: Object.keys(fields) as never[] },
  ) as fc.Arbitrary<Record<string, unknown>>;
  return fc.tuple(extra, known, missing).map(([more, data, gone]) => {
    const kept = Object.entries({ ...more, ...data }).filter(([name]) => name !== gone);
    return JSON.parse(JSON.stringify(Object.fromEntries(kept)));
  });
}
