import { createRequire } from 'node:module';

/** One request of the protocol, and how its answer is read, as a kafkajs connection takes it. */
export interface Exchange<T> {
  readonly request: Api & { readonly encode: () => Promise<Encoder> };
  readonly response: {
    readonly decode: (bytes: Buffer) => Promise<T>;
    readonly parse: (answer: T) => Promise<T>;
  };
}

interface Api {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly apiName: string;
}

/** kafkajs's own, as much of it as is used here. */
export interface Encoder {
  writeInt8(value: number): Encoder;
  writeInt16(value: number): Encoder;
  writeInt32(value: number): Encoder;
  writeInt64(value: number): Encoder;
  writeBoolean(value: boolean): Encoder;
  writeString(value: string | null): Encoder;
  writeBytes(value: Buffer): Encoder;
  writeBuffer(value: Buffer): Encoder;
  writeUVarInt(value: number): Encoder;
  writeUVarIntString(value: string): Encoder;
}

export interface Decoder {
  readonly buffer: Buffer;
  offset: number;
  readInt8(): number;
  readInt16(): number;
  readInt32(): number;
  readInt64(): { toString(): string };
  readBoolean(): boolean;
  readString(): string | null;
  readBytes(): Buffer | null;
  readArray<T>(read: (decoder: Decoder) => T): T[];
  readUVarIntString(): string | null;
  readUVarIntArray<T>(read: (decoder: Decoder) => T): T[] | null;
  readTaggedFields(): unknown;
}

const require = createRequire(import.meta.url);
const EncoderClass: new () => Encoder = require('kafkajs/src/protocol/encoder');
const DecoderClass: new (bytes: Buffer) => Decoder = require('kafkajs/src/protocol/decoder');

/** The answer is handed on whatever error codes are in it: who asked decides what they mean. */
export function exchange<T>(
  api: Api,
  encode: (encoder: Encoder) => Encoder,
  decode: (decoder: Decoder) => T,
): Exchange<T> {
  return {
    request: { ...api, encode: async () => encode(new EncoderClass()) },
    response: {
      decode: async (bytes) => decode(new DecoderClass(bytes)),
      parse: async (answer) => answer,
    },
  };
}
