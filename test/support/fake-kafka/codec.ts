import { createRequire } from 'node:module';

/** The reader of bytes in kafkajs, as far as the fake needs it. */
export interface Decoder {
  readonly buffer: Buffer;
  offset: number;
  readInt8(): number;
  readInt16(): number;
  readInt32(): number;
  readInt64(): { toString(): string };
  readBoolean(): boolean;
  readString(): string | null;
  readUVarIntString(): string | null;
  readUVarInt(): number;
  readTaggedFields(): unknown;
}

/** The writer of bytes in kafkajs, as far as the fake needs it. */
export interface Encoder {
  readonly buffer: Buffer;
  writeInt8(value: number): Encoder;
  writeInt16(value: number): Encoder;
  writeInt32(value: number): Encoder;
  writeInt64(value: number): Encoder;
  writeBoolean(value: boolean): Encoder;
  writeString(value: string | null): Encoder;
  writeUVarIntString(value: string | null): Encoder;
  writeBuffer(value: Buffer): Encoder;
  writeUVarInt(value: number): Encoder;
}

const require = createRequire(import.meta.url);
const EncoderClass: new () => Encoder = require('kafkajs/src/protocol/encoder');
const DecoderClass: new (bytes: Buffer) => Decoder = require('kafkajs/src/protocol/decoder');

export const encoder = () => new EncoderClass();
export const decoder = (bytes: Buffer) => new DecoderClass(bytes);

/**
 * The form of a message. In a flexible form (KIP-482) lengths are varints, and structures end with
 * tags.
 */
export interface Form {
  readonly version: number;
  readonly isFlexible: boolean;
}

/** Reads and writes a field as bytes. */
export interface Field<T> {
  read(from: Decoder, form: Form): T;
  write(to: Encoder, value: T, form: Form): void;
}

/** The value of a structure with these fields. */
export type ValueOf<F> = {
  -readonly [name in keyof F]: F[name] extends Field<infer T> ? T : never;
};

export const int8: Field<number> = {
  read: (from) => from.readInt8(),
  write: (to, value) => to.writeInt8(value),
};
export const int16: Field<number> = {
  read: (from) => from.readInt16(),
  write: (to, value) => to.writeInt16(value),
};
export const int32: Field<number> = {
  read: (from) => from.readInt32(),
  write: (to, value) => to.writeInt32(value),
};
export const int64: Field<number> = {
  read: (from) => Number(from.readInt64().toString()),
  write: (to, value) => to.writeInt64(value),
};
export const bool: Field<boolean> = {
  read: (from) => from.readBoolean(),
  write: (to, value) => to.writeBoolean(value),
};
export const nullable: Field<string | null> = {
  read: (from, { isFlexible }) => (isFlexible ? from.readUVarIntString() : from.readString()),
  write: (to, value, { isFlexible }) =>
    isFlexible ? to.writeUVarIntString(value) : to.writeString(value),
};
export const text = nullable as Field<unknown> as Field<string>;
export const uuid: Field<string> = {
  read: (from) => {
    from.offset += 16;
    return from.buffer.toString('hex', from.offset - 16, from.offset);
  },
  write: (to, value) => to.writeBuffer(Buffer.from(value, 'hex')),
};

function readLength(from: Decoder, { isFlexible }: Form): number {
  return isFlexible ? from.readUVarInt() - 1 : from.readInt32();
}

function writeLength(to: Encoder, length: number, { isFlexible }: Form): void {
  if (isFlexible) to.writeUVarInt(length + 1);
  else to.writeInt32(length);
}

export const bytes: Field<Buffer | null> = {
  read: (from, form) => {
    const length = readLength(from, form);
    if (length < 0) return null;
    from.offset += length;
    return from.buffer.subarray(from.offset - length, from.offset);
  },
  write: (to, value, form) => {
    writeLength(to, value === null ? -1 : value.length, form);
    if (value) to.writeBuffer(value);
  },
};

/** An array. A null array is read as an empty one. */
export function list<T>(of: Field<T>): Field<T[]> {
  return {
    read: (from, form) =>
      Array.from({ length: Math.max(readLength(from, form), 0) }, () => of.read(from, form)),
    write: (to, values, form) => {
      writeLength(to, values.length, form);
      for (const value of values) of.write(to, value, form);
    },
  };
}

export function struct<F extends { readonly [name: string]: Field<unknown> }>(
  fields: F,
): Field<ValueOf<F>> {
  const all = Object.entries(fields) as [string, Field<unknown>][];
  return {
    read: (from, form) => {
      const value = Object.fromEntries(all.map(([name, field]) => [name, field.read(from, form)]));
      if (form.isFlexible) from.readTaggedFields();
      return value as ValueOf<F>;
    },
    write: (to, value, form) => {
      for (const [name, field] of all) field.write(to, value[name], form);
      if (form.isFlexible) to.writeUVarInt(0);
    },
  };
}

/** A field that a message has from this version on. Older versions read as `otherwise`. */
export function since<T>(version: number, field: Field<T>, otherwise: T): Field<T> {
  return {
    read: (from, form) => (form.version >= version ? field.read(from, form) : otherwise),
    write: (to, value, form) => {
      if (form.version >= version) field.write(to, value, form);
    },
  };
}

/** A field that a message has before this version. Later versions read as `otherwise`. */
export function before<T>(version: number, field: Field<T>, otherwise: T): Field<T> {
  return {
    read: (from, form) => (form.version < version ? field.read(from, form) : otherwise),
    write: (to, value, form) => {
      if (form.version < version) field.write(to, value, form);
    },
  };
}
