import { readFile } from 'node:fs/promises';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { compressFrameSync } from 'lz4-napi';
import { compressSync } from 'snappy';
import { describe, expect, it } from 'vitest';
import type { PieceLimits } from '../../../src/adapters/broker/kafka/records/batch-records.ts';
import { writeChecksum } from '../../../src/adapters/broker/kafka/records/checksum.ts';
import { decompress } from '../../../src/adapters/broker/kafka/records/compression.ts';
import {
  MAX_PIECE_BYTES,
  readFetched,
} from '../../../src/adapters/broker/kafka/records/fetched-records.ts';
import { ByteWriter } from '../../../src/adapters/record-bytes.ts';

/** A whole block of lz4, because lz4 is counted in blocks. */
const MAX_BYTES = 4 * 1024 * 1024;
const HEADER_BYTES = 61;
const COUNT = 57;

/** The number and the compressor of each format that a producer may use. */
const encoders = {
  gzip: [1, (bytes: Buffer) => gzipSync(bytes)],
  'snappy, raw': [2, (bytes: Buffer) => compressSync(bytes)],
  'snappy, framed': [2, (bytes: Buffer) => xerial(bytes, 1_000)],
  lz4: [3, (bytes: Buffer) => compressFrameSync(bytes)],
  'lz4 with checksums': [
    3,
    (bytes: Buffer) => compressFrameSync(bytes, { contentChecksum: true, blockChecksums: true }),
  ],
  zstd: [4, (bytes: Buffer) => zstdCompressSync(bytes)],
} as const;
const ways = Object.entries(encoders);
const arbitraryWay = fc.constantFrom(...Object.values(encoders));

/** Frames bytes as Java's snappy does. The blocks may have any size. */
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

/** Bytes that are partly as compressible as what producers send. */
const arbitraryBytes = fc
  .array(fc.tuple(fc.uint8Array({ maxLength: 40 }), fc.nat(2_000)), { maxLength: 20 })
  .map((parts) =>
    Buffer.concat(parts.flatMap(([bytes, times]) => Array.from({ length: times }, () => bytes))),
  );

/** Measures the decompressed bytes. @returns 0 if decompression is refused */
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
  writeChecksum(batch);
  return batch;
}

/** Encodes a record with a value of zeros. @param offset counted from the first record */
function recordOf(valueBytes: number, offset = 0): Buffer {
  const record = new ByteWriter();
  record.raw(Buffer.from([0, 0])); // attributes, timestamp delta
  record.varint(offset);
  record.nullableBytes(null);
  record.nullableBytes(Buffer.alloc(valueBytes));
  record.varint(0);
  const writer = new ByteWriter();
  writer.nullableBytes(record.bytes);
  return writer.bytes;
}

const ALL: PieceLimits = {
  from: 0,
  maxPieceBytes: MAX_PIECE_BYTES,
  maxRecordBytes: Number.POSITIVE_INFINITY,
};
const decode = (...batches: readonly Buffer[]) =>
  readFetched('topic', 0, Buffer.concat(batches), [], ALL).records;

describe('a batch that another client compressed', async () => {
  /** Batches of 80 records from the broker, by Kafka's own client 4.1.0 and librdkafka 2.16.0. */
  const batches: readonly {
    readonly client: string;
    readonly compression: string;
    readonly batch: string;
  }[] = JSON.parse(await readFile(new URL('compressed-batches.json', import.meta.url), 'utf8'));

  it.each(batches)('is read from $client with $compression', ({ batch }) => {
    expect(decode(Buffer.from(batch, 'base64')).map(({ key, value }) => `${key} ${value}`)).toEqual(
      Array.from(
        { length: 80 },
        (_, index) => `key-${index} ${index}: ${'the same again, '.repeat(60)}`,
      ),
    );
  });
});

describe.each(ways)('%s', (_, [codec, compress]) => {
  it('restores whatever was compressed', () => {
    fc.assert(
      fc.property(arbitraryBytes, (bytes) =>
        decompress(codec, compress(bytes), MAX_BYTES).equals(bytes),
      ),
    );
  });

  it('decompresses up to the limit, and refuses one byte more', () => {
    const bytes = Buffer.alloc(MAX_BYTES);
    expect(decompress(codec, compress(bytes), MAX_BYTES)).toHaveLength(MAX_BYTES);
    expect(() => decompress(codec, compress(Buffer.alloc(MAX_BYTES + 1)), MAX_BYTES)).toThrow(
      'cannot be decompressed within 4194304 bytes',
    );
  });

  it('never decompresses completely if its end is missing', () => {
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

it('lz4 with linked blocks and a content size is decompressed', () => {
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

it('damaged bytes never decompress beyond the limit', () => {
  const arbitraryDamage = fc.array(fc.record({ place: fc.nat(), byte: fc.nat(255) }), {
    minLength: 1,
    maxLength: 4,
  });
  fc.assert(
    fc.property(
      arbitraryWay,
      arbitraryBytes,
      arbitraryDamage,
      ([codec, compress], bytes, damage) => {
        const compressed = Buffer.from(compress(bytes));
        for (const { place, byte } of damage) compressed[place % compressed.length] = byte;
        expect(lengthOf(() => decompress(codec, compressed, MAX_BYTES))).toBeLessThanOrEqual(
          MAX_BYTES,
        );
      },
    ),
  );
});

it('snappy that claims too large a size is refused before it takes memory', () => {
  const claim = Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]);
  expect(() => decompress(2, claim, MAX_BYTES)).toThrow('they hold 4294967295');
});

it.each([5, 6, 7])('the unknown codec %i is refused by its number', (codec) => {
  expect(() => decompress(codec, Buffer.alloc(10), MAX_BYTES)).toThrow(`codec ${codec}`);
});

describe('a fetch', () => {
  const good = batchOf(4, zstdCompressSync(recordOf(10)), 1);
  const corrupt = batchOf(4, Buffer.from('this is not zstd'), 1);
  const large = batchOf(4, zstdCompressSync(recordOf(30 * 1024 * 1024)), 1);
  const tooLarge = batchOf(4, zstdCompressSync(recordOf(65 * 1024 * 1024)), 1);

  it.each([
    ['is not compressed as it says', corrupt],
    ['is too large', tooLarge],
    ['lacks compressed records', batchOf(4, zstdCompressSync(recordOf(10)), 2)],
    ['lacks records', batchOf(0, recordOf(10), 2)],
  ])('ends before a batch that %s, or reports it if it is first', (_, bad) => {
    expect(decode(good, good, bad, good)).toHaveLength(2);
    bad.writeBigInt64BE(1234n, 0);
    bad.writeInt32BE(6, 23); // the last record is the seventh
    writeChecksum(bad);
    const damage = {
      reason: 'malformed',
      message: expect.stringContaining('The record batch of offsets 1234 to 1240 cannot be read. '),
    };
    expect(decode(bad, good)).toEqual([
      expect.objectContaining({ offset: 1240, key: null, value: null, headers: {}, damage }),
    ]);
  });

  it('ends before its batches exceed the limit together', () => {
    const half = batchOf(4, zstdCompressSync(recordOf(MAX_PIECE_BYTES / 2)), 1);
    expect(decode(good, half, half, good)).toHaveLength(2);
    expect(decode(large, good)).toHaveLength(1);
  });
});

it('small compressed batches do not keep a chunk of memory each', () => {
  const small = batchOf(4, zstdCompressSync(recordOf(100)), 1);
  const buffers = new Set(
    decode(...Array.from({ length: 200 }, () => small)).map(({ value }) => value?.buffer),
  );
  const keptBytes = [...buffers].reduce((sum, buffer) => sum + (buffer?.byteLength ?? 0), 0);
  expect(keptBytes).toBeLessThan(200 * 1_024);
});

describe('a batch that is larger than a piece', () => {
  /** Encodes `count` records of `valueBytes`, at every second offset. */
  const largeBatch = (count: number, valueBytes: number) => {
    const records = Array.from({ length: count }, (_, index) => recordOf(valueBytes, 2 * index));
    const batch = batchOf(4, zstdCompressSync(Buffer.concat(records)), count);
    batch.writeInt32BE(2 * count, 23);
    writeChecksum(batch);
    return batch;
  };

  it.each([
    [30, 500_000, 8],
    [25_000, 1, 3],
  ])(
    'of %i records of %i bytes comes in %i pieces, none of which keeps it whole',
    (count, valueBytes, pieces) => {
      const batch = largeBatch(count, valueBytes);
      const offsets: number[] = [];
      let [from, read] = [0, 0];
      for (; from <= 2 * count; read += 1) {
        const { records, nextOffset } = readFetched('topic', 0, batch, [], { ...ALL, from });
        expect(
          Math.max(...records.map(({ value }) => value?.buffer.byteLength ?? 0)),
        ).toBeLessThanOrEqual(MAX_PIECE_BYTES);
        offsets.push(...records.map(({ offset }) => offset));
        expect(nextOffset).toBeGreaterThan(from);
        from = nextOffset ?? from;
      }
      expect(offsets).toEqual(Array.from({ length: count }, (_, index) => 2 * index));
      expect(read).toBe(pieces);
    },
  );

  it('comes in smaller pieces if the partition has a smaller share', () => {
    const { records, nextOffset } = readFetched('topic', 0, largeBatch(30, 500_000), [], {
      ...ALL,
      maxPieceBytes: 1_100_000,
    });
    expect(records).toHaveLength(2);
    expect(nextOffset).toBe(4);
  });

  it('is skipped at once if its transaction was aborted', () => {
    const batch = largeBatch(25_000, 1);
    batch.writeInt16BE(4 | 0x10, 21);
    batch.writeBigInt64BE(7n, 43);
    writeChecksum(batch);
    const aborted = [{ producerId: '7', firstOffset: 0 }];
    expect(readFetched('topic', 0, batch, aborted, ALL)).toMatchObject({
      records: [],
      nextOffset: 50_001,
    });
  });

  it('has a placeholder for a record that is too large', () => {
    const records = [recordOf(10, 0), recordOf(MAX_PIECE_BYTES, 1), recordOf(10, 2)];
    const batch = batchOf(4, zstdCompressSync(Buffer.concat(records)), 3);
    batch.writeInt32BE(2, 23);
    writeChecksum(batch);
    const readFrom = (from: number) =>
      readFetched('topic', 0, batch, [], { ...ALL, from, maxRecordBytes: MAX_PIECE_BYTES });
    expect(readFrom(0)).toMatchObject({ records: [{ offset: 0 }], nextOffset: 1 });
    const {
      records: [placeholder],
      nextOffset,
    } = readFrom(1);
    expect([placeholder?.offset, placeholder?.value, nextOffset]).toEqual([1, null, 2]);
    expect([placeholder?.headers, placeholder?.damage?.reason]).toEqual([{}, 'too-large']);
    expect(placeholder?.damage?.message).toMatch(
      /^The record at topic\/0\/1 has 2097\d+ bytes, but the service reads at most 2097152$/,
    );
    expect(readFrom(2)).toMatchObject({ records: [{ offset: 2 }], nextOffset: 3 });
  });

  it('is one placeholder if its records do not end where they say', () => {
    const record = recordOf(MAX_PIECE_BYTES);
    record[0] = 0;
    const { records } = readFetched('topic', 0, batchOf(4, zstdCompressSync(record), 1), [], ALL);
    expect(records.map(({ damage }) => damage?.reason)).toEqual(['malformed']);
  });
});
