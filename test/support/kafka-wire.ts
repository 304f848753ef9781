import { connect } from 'node:net';

/*
 * The part of the Kafka protocol that tests speak themselves: one request to one broker, with a
 * deadline. A client library would ask another broker, or wait, and the test would measure the
 * library.
 */

/** The requests that tests send: number in the protocol, the one version, and its form. */
export const REQUESTS = {
  ListOffsets: { key: 2, version: 2, isFlexible: false },
  Metadata: { key: 3, version: 4, isFlexible: false },
  OffsetFetch: { key: 9, version: 3, isFlexible: false },
  FindCoordinator: { key: 10, version: 1, isFlexible: false },
  ElectLeaders: { key: 43, version: 0, isFlexible: false },
  AlterPartitionReassignments: { key: 45, version: 0, isFlexible: true },
  DescribeQuorum: { key: 55, version: 0, isFlexible: true },
} as const;

/** The address of a broker. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/**
 * Sends one request and returns the body of its answer.
 * @param timeoutMs the time for everything: connecting, sending, waiting
 * @throws when the broker cannot be reached, hangs up, or does not answer in time
 */
export function ask(
  { host, port }: Address,
  name: keyof typeof REQUESTS,
  body: Buffer,
  timeoutMs: number,
): Promise<WireReader> {
  const { key, version, isFlexible } = REQUESTS[name];
  const header = new WireWriter().int16(key).int16(version).int32(1).string('test');
  const request = Buffer.concat([header.bytes(), Buffer.alloc(isFlexible ? 1 : 0), body]);
  const { promise, resolve, reject } = Promise.withResolvers<WireReader>();
  const socket = connect({ host, port });
  const timer = setTimeout(() => fail('no answer in time'), timeoutMs);
  const fail = (reason: string) => reject(new Error(`${name} to ${host}:${port}: ${reason}`));
  let received: Buffer = Buffer.alloc(0);
  socket.on('error', ({ message }) => fail(message));
  socket.on('close', () => fail('the connection was closed'));
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
    if (received.length < 4 || received.length < 4 + received.readInt32BE(0)) return;
    resolve(new WireReader(received.subarray(isFlexible ? 9 : 8)));
  });
  socket.write(Buffer.concat([new WireWriter().int32(request.length).bytes(), request]));
  return promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}

/** Writes the types of the protocol. Flexible versions use the "compact" types. */
export class WireWriter {
  readonly #parts: Buffer[] = [];

  int8(value: number): this {
    return this.#add(1, (buffer) => buffer.writeInt8(value));
  }

  int16(value: number): this {
    return this.#add(2, (buffer) => buffer.writeInt16BE(value));
  }

  int32(value: number): this {
    return this.#add(4, (buffer) => buffer.writeInt32BE(value));
  }

  int64(value: number): this {
    return this.#add(8, (buffer) => buffer.writeBigInt64BE(BigInt(value)));
  }

  string(value: string): this {
    const text = Buffer.from(value);
    this.int16(text.length).#parts.push(text);
    return this;
  }

  array<T>(values: readonly T[] | null, write: (value: T) => unknown): this {
    this.int32(values?.length ?? -1);
    for (const value of values ?? []) write(value);
    return this;
  }

  compactString(value: string): this {
    const text = Buffer.from(value);
    this.#unsigned(text.length + 1).#parts.push(text);
    return this;
  }

  compactArray<T>(values: readonly T[], write: (value: T) => unknown): this {
    this.#unsigned(values.length + 1);
    for (const value of values) write(value);
    return this;
  }

  /** Writes the end of a structure of a flexible version. */
  noTags(): this {
    return this.#unsigned(0);
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  #unsigned(value: number): this {
    for (let rest = value; ; rest >>>= 7) {
      if (rest < 128) return this.#add(1, (buffer) => buffer.writeUInt8(rest));
      this.#add(1, (buffer) => buffer.writeUInt8((rest & 127) | 128));
    }
  }

  #add(size: number, write: (buffer: Buffer) => unknown): this {
    const buffer = Buffer.alloc(size);
    write(buffer);
    this.#parts.push(buffer);
    return this;
  }
}

/** Reads the types of the protocol, one after the other. */
export class WireReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  int8(): number {
    return this.#bytes.readInt8(this.#pass(1));
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.#pass(2));
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#pass(4));
  }

  int64(): number {
    return Number(this.#bytes.readBigInt64BE(this.#pass(8)));
  }

  string(): string | null {
    const length = this.int16();
    return length < 0 ? null : this.#text(length);
  }

  array<T>(read: () => T): T[] {
    return Array.from({ length: Math.max(0, this.int32()) }, read);
  }

  compactString(): string {
    return this.#text(this.#unsigned() - 1);
  }

  compactLength(): number {
    return this.#unsigned() - 1;
  }

  #text(length: number): string {
    const start = this.#pass(length);
    return this.#bytes.toString('utf8', start, start + length);
  }

  #unsigned(): number {
    for (let value = 0, shift = 0; ; shift += 7) {
      const byte = this.#bytes.readUInt8(this.#pass(1));
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
  }

  #pass(size: number): number {
    const start = this.#at;
    this.#at += size;
    return start;
  }
}
