import { createDecoder, createEncoder, type Decoder, type Encoder } from '../kafkajs-internals.ts';

/** A request of the protocol and the reader of its answer, as a kafkajs connection takes both. */
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
  /** What the request is about. Kafka may refuse the client access to it. */
  readonly topics?: readonly string[];
  readonly group?: string;
}

/** The tagged fields (KIP-482) at the end of a structure that has none. */
export function noTags(encoder: Encoder): Encoder {
  return encoder.writeUVarInt(0);
}

/**
 * Makes an exchange that resolves to every answer, even to one with error codes. The caller decides
 * what an error code means.
 */
export function exchange<T>(
  api: Api,
  encode: (encoder: Encoder) => Encoder,
  decode: (decoder: Decoder) => T,
): Exchange<T> {
  return {
    request: { ...api, encode: async () => encode(createEncoder()) },
    response: {
      decode: async (bytes) => decode(createDecoder(bytes)),
      parse: async (answer) => answer,
    },
  };
}
