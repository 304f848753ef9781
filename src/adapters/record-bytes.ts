import type { Headers, LogRecord, OutgoingRecord } from '../service-layer/records.ts';

type Bytes = Buffer | string;

/** Of a record besides its key, value and headers, and of a header besides its name and value: upper bounds. */
const RECORD_OVERHEAD_BYTES = 30;
const HEADER_OVERHEAD_BYTES = 6;
const FIRST_SIZE = 64 * 1024;
const MAX_VARINT_BYTES = 5;
/** Up to here, a loop over the characters beats the call into Node's native code. */
const SHORT_TEXT = 48;

/** Bytes that grow as they are written. */
export class ByteWriter {
  #bytes: Buffer = Buffer.allocUnsafe(FIRST_SIZE);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** What was written: valid until more is. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Forgets what was written. */
  clear(): void {
    this.#length = 0;
  }

  /** A whole number within 32 bits, the shorter the closer to 0: zigzag, then seven bits a byte, the lowest first. */
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

  /** How many bytes, and these: -1 for null. */
  sized(value: Bytes | null): void {
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

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** @returns whether it was short and ASCII: if not, nothing is written */
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
    const grown = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, this.#length + length));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}

/** Reads what `ByteWriter` wrote. It throws at the end of the bytes, when there should be more. */
export class ByteReader {
  readonly #bytes: Buffer;
  #position = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#position >= this.#bytes.length;
  }

  /** How many bytes were read or skipped. */
  get position(): number {
    return this.#position;
  }

  /** Goes on there. @throws {RangeError} that lies before the position, or behind the end */
  skipTo(position: number): void {
    if (position < this.#position || position > this.#bytes.length)
      throw new RangeError(`No record ends at byte ${position}`);
    this.#position = position;
  }

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

  /** A whole number within 53 bits. */
  varlong(): number {
    let zigzag = 0;
    for (let factor = 1; ; factor *= 0x80) {
      const byte = this.byte();
      zigzag += (byte & 0x7f) * factor;
      if (byte < 0x80) return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
    }
  }

  sized(): Buffer | null {
    const length = this.varint();
    if (length < 0) return null;
    this.#position += length;
    return this.#bytes.subarray(this.#position - length, this.#position);
  }
}

/**
 * Key, value and headers of a record as Kafka's log has them.
 *
 * Source: Apache Kafka, message format, record (magic 2): keyLength key valueLength value headersCount [name value].
 */
export function writeRecord(
  writer: ByteWriter,
  record: LogRecord & Pick<OutgoingRecord, 'encoded'>,
): void {
  const { key, value, headers, encoded } = record;
  if (encoded) {
    writer.raw(encoded);
    return;
  }
  writer.sized(key);
  writer.sized(value);
  let count = 0;
  for (const name in headers) count += headerCount(headers[name]);
  writer.varint(count);
  for (const name in headers) {
    const header = headers[name];
    if (header === undefined) continue;
    for (const each of Array.isArray(header) ? header : [header]) {
      writer.sized(name);
      writer.sized(each);
    }
  }
}

export function readRecord(reader: ByteReader) {
  const key = reader.sized();
  const value = reader.sized();
  let count = reader.varint();
  if (count === 0) return { key, value, headers: {} };
  const headers = new Map<string, Buffer | Buffer[]>();
  for (; count > 0; count -= 1) {
    const name = String(reader.sized());
    const header = reader.sized();
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

/** How many bytes the record takes in the log, at most. */
export function bytesOf({
  key,
  value,
  headers,
  encoded,
}: LogRecord & Pick<OutgoingRecord, 'encoded'>): number {
  if (encoded) return RECORD_OVERHEAD_BYTES + encoded.length;
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
