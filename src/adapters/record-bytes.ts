import type { EncodedRecord, Headers, LogRecord } from '../service-layer/records.ts';

type Bytes = Buffer | string;

/** The most bytes that a record needs besides its key, value and headers. */
const RECORD_OVERHEAD_BYTES = 30;
/** The most bytes that a header needs besides its name and value. */
const HEADER_OVERHEAD_BYTES = 6;
const FIRST_SIZE_BYTES = 64 * 1024;
const MAX_VARINT_BYTES = 5;
/** The longest text for which a loop over its characters is faster than Node's native code. */
const SHORT_TEXT = 48;

/** Writes bytes into a buffer that grows. */
export class ByteWriter {
  #bytes: Buffer = Buffer.allocUnsafe(FIRST_SIZE_BYTES);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The bytes written so far. They are valid until the next write. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Begins again with no bytes. */
  clear(): void {
    this.#length = 0;
  }

  /**
   * Writes a whole number of at most 32 bits: zigzag, then seven bits a byte, the lowest first.
   * A number close to 0 needs few bytes.
   */
  varint(value: number): void {
    this.#reserve(MAX_VARINT_BYTES);
    let rest = ((value << 1) ^ (value >> 31)) >>> 0;
    while (rest > 0x7f) {
      this.#bytes[this.#length] = (rest & 0x7f) | 0x80;
      this.#length += 1;
      rest >>>= 7;
    }
    this.#bytes[this.#length] = rest;
    this.#length += 1;
  }

  /** Writes the length in bytes, then the bytes; for null the length -1. */
  nullableBytes(value: Bytes | null): void {
    if (value === null) this.varint(-1);
    else if (typeof value !== 'string') {
      this.varint(value.length);
      this.raw(value);
    } else if (!this.#shortAscii(value)) {
      const length = Buffer.byteLength(value);
      this.varint(length);
      this.#reserve(length);
      this.#length += this.#bytes.write(value, this.#length);
    }
  }

  /** Writes the bytes as they are. */
  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /**
   * Writes a short ASCII text with its length.
   * @returns false, and writes nothing, for other texts
   */
  #shortAscii(text: string): boolean {
    const { length } = text;
    if (length > SHORT_TEXT) return false;
    this.#reserve(1 + length);
    const start = this.#length + 1;
    for (let index = 0; index < length; index += 1) {
      const code = text.charCodeAt(index);
      if (code > 0x7f) return false;
      this.#bytes[start + index] = code;
    }
    this.#bytes[this.#length] = 2 * length;
    this.#length = start + length;
    return true;
  }

  #reserve(length: number): void {
    if (this.#length + length <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, this.#length + length));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

/** Reads what `ByteWriter` wrote. A number that the bytes cut short throws a RangeError. */
export class ByteReader {
  readonly #bytes: Buffer;
  #position = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#position >= this.#bytes.length;
  }

  /** The number of bytes read or skipped so far. */
  get position(): number {
    return this.#position;
  }

  /** Moves forward to the position. @throws {RangeError} it is not between here and the end */
  skipTo(position: number): void {
    if (position < this.#position || position > this.#bytes.length)
      throw new RangeError(`No record ends at byte ${position}`);
    this.#position = position;
  }

  /** Reads a whole number of at most 32 bits. */
  varint(): number {
    let zigzag = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      zigzag |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (zigzag >>> 1) ^ -(zigzag & 1);
    }
  }

  byte(): number {
    const byte = this.#bytes[this.#position];
    if (byte === undefined) throw new RangeError('The bytes end in the middle of a record');
    this.#position += 1;
    return byte;
  }

  /** Reads a whole number of at most 53 bits. */
  varlong(): number {
    let zigzag = 0;
    for (let factor = 1; ; factor *= 0x80) {
      const byte = this.byte();
      zigzag += (byte & 0x7f) * factor;
      if (byte < 0x80) return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
    }
  }

  /** Reads a length, then that many bytes; null for a negative length. */
  nullableBytes(): Buffer | null {
    const length = this.varint();
    if (length < 0) return null;
    this.#position += length;
    return this.#bytes.subarray(this.#position - length, this.#position);
  }
}

/**
 * Writes a record's key, value and headers as Kafka's log has them. Copies the bytes of a record
 * that is encoded.
 *
 * Source: Apache Kafka, message format, record (magic 2):
 * keyLength key valueLength value headersCount [nameLength name valueLength value].
 */
export function writeRecord(writer: ByteWriter, record: LogRecord | EncodedRecord): void {
  if ('encoded' in record) {
    writer.raw(record.encoded);
    return;
  }
  const { key, value, headers } = record;
  writer.nullableBytes(key);
  writer.nullableBytes(value);
  let count = 0;
  for (const name in headers) count += headerCount(headers[name]);
  writer.varint(count);
  for (const name in headers) {
    const header = headers[name];
    if (header === undefined) continue;
    for (const each of Array.isArray(header) ? header : [header]) {
      writer.nullableBytes(name);
      writer.nullableBytes(each);
    }
  }
}

/** Reads a record's key, value and headers. A header without a value is left out. */
export function readRecord(reader: ByteReader) {
  const key = reader.nullableBytes();
  const value = reader.nullableBytes();
  let count = reader.varint();
  if (count === 0) return { key, value, headers: {} };
  const headers = new Map<string, Buffer | Buffer[]>();
  for (; count > 0; count -= 1) {
    const name = String(reader.nullableBytes());
    const header = reader.nullableBytes();
    if (header === null) continue;
    const earlier = headers.get(name);
    if (earlier === undefined) headers.set(name, header);
    else headers.set(name, Buffer.isBuffer(earlier) ? [earlier, header] : [...earlier, header]);
  }
  return { key, value, headers: Object.fromEntries(headers) };
}

function headerCount(header: Headers[string]): number {
  if (header === undefined) return 0;
  return Array.isArray(header) ? header.length : 1;
}

/** @returns the most bytes that the record needs in the log */
export function bytesOf(record: LogRecord | EncodedRecord): number {
  if ('encoded' in record) return RECORD_OVERHEAD_BYTES + record.encoded.length;
  const { key, value, headers } = record;
  let bytes = RECORD_OVERHEAD_BYTES + byteLength(key) + byteLength(value);
  for (const [name, header] of Object.entries(headers)) {
    for (const each of Array.isArray(header) ? header : [header]) {
      bytes += HEADER_OVERHEAD_BYTES + Buffer.byteLength(name) + byteLength(each);
    }
  }
  return bytes;
}

function byteLength(value: Buffer | string | null | undefined): number {
  return value === null || value === undefined ? 0 : Buffer.byteLength(value);
}
