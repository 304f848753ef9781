import { readFile } from 'node:fs/promises';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { compressFrameSync } from 'lz4-napi';
import { compressSync } from 'snappy';
import { describe, expect, it } from 'vitest';
import { decompress } from '../../../src/adapters/broker/kafka/compression.ts';
import { readFetched } from '../../../src/adapters/broker/kafka/fetch.ts';
import { ByteWriter } from '../../../src/adapters/record-bytes.ts';

/** A whole block of lz4: it is counted in blocks. */
const MAX_BYTES = 4 * 1024 * 1024;
const HEADER_BYTES = 61;
const COUNT = 57;

/** By number, what compresses in a way that a producer may. */
const encoders = {
  gzip: [1, (bytes: Buffer) => gzipSync(bytes)],
  'snappy, raw': [2, (bytes: Buffer) => compressSync(bytes)],
  'snappy, framed': [2, (bytes: Buffer) => xerial(bytes, 1_000)],
  lz4: [3, (bytes: Buffer) => compressFrameSync(bytes)],
  'lz4 with checksums': [3, (bytes: Buffer) => compressFrameSync(bytes, { contentChecksum: true, blockChecksums: true })],
  zstd: [4, (bytes: Buffer) => zstdCompressSync(bytes)],
} as const;
const ways = Object.entries(encoders);
const arbitraryWay = fc.constantFrom(...Object.values(encoders));

/** As Java's snappy frames it; the blocks may be of any size. */
function xerial(bytes: Buffer, blockBytes: number): Buffer {
  const parts: Buffer[] = [Buffer.from('\x82SNAPPY\0\0\0\0\x01\0\0\0\x01', 'latin1')];
  for (let start = 0; start < bytes.length; start += blockBytes) {
    const block = compressSync(bytes.subarray(start, start + blockBytes));
    const size = Buffer.alloc(4);
    size.writeInt32BE(block.length);
    parts.push(size, block);
  }
  return Buffer.concat(parts);
}

/** As compressible as what producers send, in part. */
const arbitraryBytes = fc
  .array(fc.tuple(fc.uint8Array({ maxLength: 40 }), fc.nat(2_000)), { maxLength: 20 })
  .map((parts) => Buffer.concat(parts.flatMap(([bytes, times]) => Array.from({ length: times }, () => bytes))));

/** 0 for what is refused. */
function lengthOf(decompressed: () => Buffer): number {
  try {
    return decompressed().length;
  } catch {
    return 0;
  }
}

function batchOf(codec: number, compressed: Buffer, count: number): Buffer {
  const batch = Buffer.concat([Buffer.alloc(HEADER_BYTES), compressed]);
  batch.writeInt32BE(batch.length - 12, 8);
  batch.writeInt8(2, 16);
  batch.writeInt16BE(codec, 21);
  batch.writeInt32BE(count, COUNT);
  return batch;
}

/** A record with this many bytes of nothing. */
function recordOf(valueBytes: number): Buffer {
  const writer = new ByteWriter();
  writer.raw(Buffer.from([0, 0, 0, 0])); // its size, which is not looked at, attributes, and what is added to the first time and offset
  writer.sized(null);
  writer.sized(Buffer.alloc(valueBytes));
  writer.varint(0);
  return writer.bytes;
}

const decode = (...batches: readonly Buffer[]) => readFetched('topic', 0, Buffer.concat(batches), []).records;

describe('what clients have compressed', async () => {
  /** Batches as the broker had them, of 80 records each: Kafka's own client 4.1.0, and librdkafka 2.16.0. */
  const batches: readonly { readonly client: string; readonly compression: string; readonly batch: string }[] = JSON.parse(
    await readFile(new URL('compressed-batches.json', import.meta.url), 'utf8'),
  );

  it.each(batches)('by $client with $compression is read', ({ batch }) => {
    expect(decode(Buffer.from(batch, 'base64')).map(({ key, value }) => `${key} ${value}`)).toEqual(
      Array.from({ length: 80 }, (_, index) => `key-${index} ${index}: ${'the same again, '.repeat(60)}`),
    );
  });
});

describe.each(ways)('%s', (_, [codec, compress]) => {
  it('is undone, whatever was compressed', () => {
    fc.assert(fc.property(arbitraryBytes, (bytes) => decompress(codec, compress(bytes), MAX_BYTES).equals(bytes)));
  });

  it('comes to as much as is allowed, and not to a byte more', () => {
    const bytes = Buffer.alloc(MAX_BYTES);
    expect(decompress(codec, compress(bytes), MAX_BYTES)).toHaveLength(MAX_BYTES);
    expect(() => decompress(codec, compress(Buffer.alloc(MAX_BYTES + 1)), MAX_BYTES)).toThrow('cannot be undone within 4194304 bytes');
  });

  it('never comes out whole when its end is missing', () => {
    const bytes = Buffer.from('something that is not repeated: 1234567890');
    const compressed = compress(bytes);
    for (let length = 0; length < compressed.length; length += 1) {
      const cut = compressed.subarray(0, length);
      expect(
        lengthOf(() => decompress(codec, cut, MAX_BYTES)),
        `${length} bytes`,
      ).toBeLessThan(bytes.length);
    }
  });
});

it('lz4 is undone when its blocks refer to one another and it says how large it is', () => {
  // Made by `lz4 -B4 -BD -BX --content-size` (1.9.4).
  const frame = [
    'BCJNGFxAgDgBAAAAAABaGwEAAP8BdGhlIHNhbWUgYWdhaW4sIBAA',
    '/'.repeat(341),
    '9hQYWluLCBLXd3oUwAAAP8BdGhlIHNhbWUgYWdhaW4sIBAA',
    '/'.repeat(74),
    '+QUGFpbiwghvagFQAAAABrzyyR',
  ].join('');
  const bytes = decompress(3, Buffer.from(frame, 'base64'), MAX_BYTES);
  expect(String(bytes)).toBe('the same again, '.repeat(5_000));
});

it('whatever is damaged, nothing comes to more than is allowed, and it ends', () => {
  const arbitraryDamage = fc.array(fc.record({ place: fc.nat(), byte: fc.nat(255) }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(arbitraryWay, arbitraryBytes, arbitraryDamage, ([codec, compress], bytes, damage) => {
      const compressed = Buffer.from(compress(bytes));
      for (const { place, byte } of damage) compressed[place % compressed.length] = byte;
      expect(lengthOf(() => decompress(codec, compressed, MAX_BYTES))).toBeLessThanOrEqual(MAX_BYTES);
    }),
  );
});

it('snappy that claims to be more than it is takes no memory', () => {
  const claim = Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]);
  expect(() => decompress(2, claim, MAX_BYTES)).toThrow('it comes to 4294967295');
});

it.each([5, 6, 7])('number %i, which nobody has yet, is refused by number', (codec) => {
  expect(() => decompress(codec, Buffer.alloc(10), MAX_BYTES)).toThrow(`number ${codec}`);
});

describe('a fetch', () => {
  const good = batchOf(4, zstdCompressSync(recordOf(10)), 1);
  const corrupt = batchOf(4, Buffer.from('this is not zstd'), 1);
  const large = batchOf(4, zstdCompressSync(recordOf(30 * 1024 * 1024)), 1);
  const tooLarge = batchOf(4, zstdCompressSync(recordOf(65 * 1024 * 1024)), 1);

  it.each([
    ['is damaged', corrupt],
    ['comes to too much', tooLarge],
    ['has fewer records than it says, compressed', batchOf(4, zstdCompressSync(recordOf(10)), 2)],
    ['has fewer records than it says', batchOf(0, recordOf(10), 2)],
  ])('ends before a batch that %s; of one that begins with it there is one record, which says so', (_, bad) => {
    expect(decode(good, good, bad, good)).toHaveLength(2);
    bad.writeBigInt64BE(1234n, 0);
    bad.writeInt32BE(6, 23); // the last record is the seventh
    const why = expect.stringContaining('The batch of offsets 1234 to 1240 cannot be read. ');
    expect(decode(bad, good).map(({ headers, ...message }) => ({ ...message, why: String(headers['unreadable-batch']) }))).toEqual([
      expect.objectContaining({ offset: 1240, key: null, value: null, why }),
    ]);
  });

  it('ends where all of its batches together would come to too much', () => {
    expect(decode(large, large, large, large)).toHaveLength(2);
  });
});
