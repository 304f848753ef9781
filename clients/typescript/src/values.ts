/** Matches 1 to 255 code points, without control characters and lone surrogates. */
const NAME = /^[^\p{Cc}\p{Cs}]{1,255}$/u;
const DATE = /^\d{4}-\d\d-\d\d$/;
const DAY_LENGTH = 'YYYY-MM-DD'.length;

/** Tells whether the value may be an id, a sku, or a reference. */
export function isName(value: unknown): value is string {
  return typeof value === 'string' && NAME.test(value);
}

/** Tells whether the value is a whole number from `min` to 2^53 - 1. */
export function isWhole(value: unknown, min: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= min;
}

/** Tells whether the value is a day that exists, `YYYY-MM-DD`. */
export function isDate(value: unknown): value is string {
  if (typeof value !== 'string' || !DATE.test(value)) return false;
  const day = new Date(`${value}T00:00:00Z`);
  return !Number.isNaN(day.getTime()) && day.toISOString().slice(0, DAY_LENGTH) === value;
}

/** Tells whether the value is a JSON object. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
