import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { decompressFrameSync } from 'lz4-napi';
import { uncompressSync } from 'snappy';

/** Decompresses bytes. @throws {Error} they are damaged, or more than `maxBytes` afterwards */
type Decompress = (bytes: Buffer, maxBytes: number) => Buffer;

/**
 * The codecs by their number in the attributes of a record batch.
 *
 * Source: Apache Kafka, message format, record batch (magic 2), attributes.
 */
const CODECS: readonly { readonly name: string; readonly decompress: Decompress }[] = [
  { name: 'none', decompress: (bytes) => bytes },
  {
    name: 'gzip',
    decompress: (bytes, maxBytes) => gunzipSync(bytes, { maxOutputLength: maxBytes }),
  },
  { name: 'snappy', decompress: snappy },
  { name: 'lz4', decompress: lz4 },
  {
    name: 'zstd',
    decompress: (bytes, maxBytes) => zstdDecompressSync(bytes, { maxOutputLength: maxBytes }),
  },
];

/**
 * Decompresses the records of a batch, up to a limit. A few kilobytes may hold gigabytes.
 *
 * @param codec the codec's number in the attributes of the record batch
 * @throws {Error} the codec is unknown, the bytes are damaged, or they hold more than `maxBytes`
 */
export function decompress(codec: number, bytes: Buffer, maxBytes: number): Buffer {
  const { name, decompress } = CODECS[codec] ?? { name: `codec ${codec}`, decompress: refuse };
  try {
    return decompress(bytes, maxBytes);
  } catch (error) {
    throw new Error(
      `Its records, compressed with ${name}, cannot be decompressed within ${maxBytes} bytes: ` +
        (error as Error).message,
    );
  }
}

function refuse(): never {
  throw new Error('the codec is unknown');
}

const XERIAL_MAGIC = Buffer.from('\x82SNAPPY\0', 'latin1');
const XERIAL_HEADER_BYTES = 16;
const XERIAL_SIZE_BYTES = 4;

/**
 * Decompresses both forms of snappy. librdkafka writes one raw block. Java's snappy writes a frame:
 * a magic number, two versions, and then raw blocks, each after its size.
 *
 * Source: snappy-java, SnappyOutputStream.
 */
function snappy(bytes: Buffer, maxBytes: number): Buffer {
  // No raw block begins with these bytes, because they would copy bytes from before its beginning.
  if (!bytes.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC))
    return rawSnappy(bytes, maxBytes);
  const blocks: Buffer[] = [];
  let room = maxBytes;
  for (let start = XERIAL_HEADER_BYTES; start < bytes.length; ) {
    const end = start + XERIAL_SIZE_BYTES + bytes.readUInt32BE(start);
    const block = rawSnappy(bytes.subarray(start + XERIAL_SIZE_BYTES, end), room);
    blocks.push(block);
    room -= block.length;
    start = end;
  }
  return Buffer.concat(blocks);
}

/**
 * Decompresses one raw block. The block begins with its decompressed size: seven bits a byte, the
 * lowest first.
 *
 * Source: google/snappy, format_description.txt.
 */
function rawSnappy(bytes: Buffer, maxBytes: number): Buffer {
  let size = 0;
  for (let index = 0, factor = 1; index < bytes.length; index += 1, factor *= 0x80) {
    const byte = bytes.readUInt8(index);
    size += (byte & 0x7f) * factor;
    if (byte < 0x80) break;
  }
  requireRoom(size, maxBytes);
  return uncompressSync(bytes) as Buffer;
}

const LZ4_MAGIC = 0x184d2204;
const LZ4_BLOCK_CHECKSUMS = 0x10;
const LZ4_CONTENT_SIZE = 0x08;
const LZ4_STORED = 0x8000_0000;

/** The most bytes that one byte of a block stands for, as a part of a copy's length. */
const LZ4_MAX_RATIO = 255;

/**
 * Decompresses an lz4 frame. The library has no limit, so this function first computes an upper
 * bound. Each block counts with the block size that the frame's header names. Only the last block,
 * or a block that its producer flushed, is smaller.
 *
 * Source: lz4/lz4, lz4_Frame_format.md.
 */
function lz4(bytes: Buffer, maxBytes: number): Buffer {
  if (bytes.readUInt32LE(0) !== LZ4_MAGIC) throw new Error('they are not an lz4 frame');
  const flags = bytes.readUInt8(4);
  const maxBlockBytes = 2 ** (8 + 2 * ((bytes.readUInt8(5) >> 4) & 0x07));
  const checksumBytes = (flags & LZ4_BLOCK_CHECKSUMS) === 0 ? 0 : 4;
  let size = 0;
  for (let next = (flags & LZ4_CONTENT_SIZE) === 0 ? 7 : 15; bytes.readUInt32LE(next) !== 0; ) {
    const block = bytes.readUInt32LE(next);
    size +=
      block < LZ4_STORED ? Math.min(maxBlockBytes, LZ4_MAX_RATIO * block) : block - LZ4_STORED;
    next += 4 + (block % LZ4_STORED) + checksumBytes;
  }
  requireRoom(size, maxBytes);
  return decompressFrameSync(bytes);
}

function requireRoom(bytes: number, maxBytes: number): void {
  if (bytes > maxBytes) throw new RangeError(`they hold ${bytes} bytes`);
}
