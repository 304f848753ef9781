import fc from 'fast-check';
import type { Made } from './abuse-class.ts';
import { form } from './message-parts.ts';

export const anyBytes = fc
  .uint8Array({ minLength: 1, maxLength: 400 })
  .map((array) => Buffer.from(array));
const damage = fc.array(fc.tuple(fc.nat(100_000), fc.nat(255)), { minLength: 1, maxLength: 4 });
/** A good message, and the places where it is damaged. */
export const brokenForm = fc.tuple(form, damage);

/** Harms the value of a message at each of the places. */
export function damaged(
  made: Made,
  places: readonly (readonly [number, number])[],
  harm: (bytes: Buffer, at: number, value: number) => Buffer,
): Made {
  let value = made.value as Buffer;
  for (const [place, number] of places)
    if (value.length > 0) value = harm(value, place % value.length, number);
  return { ...made, value };
}

/** Flips one bit. */
export function withBitFlipped(bytes: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ (1 << (value % 8));
  return copy;
}

/** Puts `inserted` in place of the `removed` bytes at `at`. */
export function spliced(
  bytes: Buffer,
  at: number,
  removed: number,
  inserted: Buffer = Buffer.alloc(0),
): Buffer {
  return Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at + removed)]);
}

/** Cuts off the end of the value. */
export function truncated(made: Made, at: number): Made {
  const value = made.value as Buffer;
  return { ...made, value: value.subarray(0, 1 + (at % (value.length - 1))) };
}

/** Adds text behind the value. */
export function withMore(made: Made, more: string): Made {
  return { ...made, value: Buffer.concat([made.value as Buffer, Buffer.from(more)]) };
}
