import fc from 'fast-check';

const bytes = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 100 }).map((text) => text.toWellFormed()),
  fc.string({ minLength: 40, maxLength: 60 }),
  fc.uint8Array({ maxLength: 2_000 }).map((array) => Buffer.from(array)),
);

/** Any record: keys and values as text, bytes or null, and headers with one or several values. */
export const arbitraryRecord = fc.record({
  key: fc.option(bytes),
  value: fc.option(bytes),
  headers: fc.dictionary(
    fc
      .string({ unit: 'binary', maxLength: 60 })
      .filter((name) => name !== '__proto__' && name.isWellFormed()),
    fc.oneof(bytes, fc.array(bytes, { maxLength: 3 })),
  ),
});
