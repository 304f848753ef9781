import { createRequire } from 'node:module';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import kafka from 'kafkajs';
import { compressFrameSync, decompressFrameSync } from 'lz4-napi';
import { compressSync, uncompressSync } from 'snappy';
import { expect, it } from 'vitest';
import type { PieceLimits } from '../../../src/adapters/broker/kafka/records/batch-records.ts';
import { writeChecksum } from '../../../src/adapters/broker/kafka/records/checksum.ts';
import { readFetched } from '../../../src/adapters/broker/kafka/records/fetched-records.ts';
import type { ReceivedRecord } from '../../../src/service-layer/records.ts';
import { arbitraryRecord } from '../../support/arbitrary-records.ts';

interface KafkajsMessage {
  readonly offset: string;
  readonly timestamp: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, Buffer | null>>;
  readonly isControlRecord: boolean;
  readonly batchContext: { readonly partitionLeaderEpoch: number };
}

const require = createRequire(import.meta.url);
const kafkajs: (
  decoder: object,
) => Promise<
  readonly KafkajsMessage[]
> = require('kafkajs/src/protocol/requests/fetch/v4/decodeMessages');
const Decoder: new (
  bytes: Buffer,
) => { readonly buffer: Buffer; offset: number } = require('kafkajs/src/protocol/decoder');
const kafkajsRecord = require('kafkajs/src/protocol/recordBatch/record/v0');
const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0');

const ALL: PieceLimits = {
  from: 0,
  maxPieceBytes: Number.POSITIVE_INFINITY,
  maxRecordBytes: Number.POSITIVE_INFINITY,
};
const COMPRESSIONS = [0, 1, 2, 3, 4] as const;
const LOG_APPEND_TIME = 0x08;
const CONTROL = 0x20;

// The comparison needs these codecs, which kafkajs lacks.
const { CompressionCodecs } = kafka;
for (const [compression, compress, decompress] of [
  [2, compressSync, uncompressSync],
  [3, compressFrameSync, decompressFrameSync],
  [4, zstdCompressSync, zstdDecompressSync],
] as const) {
  CompressionCodecs[compression] = () => ({
    compress: async ({ buffer }: { readonly buffer: Buffer }) => compress(buffer),
    decompress: async (bytes: Buffer) => decompress(bytes),
  });
}

/** Tells whether kafkajs would take a header for a repeated one because of its inherited name. */
const hasInheritedName = ({ headers }: { readonly headers: object }) =>
  Object.keys(headers).some((name) => name in Object.prototype);

const arbitraryBatch = fc.record({
  records: fc.array(
    fc.record({
      record: arbitraryRecord.filter((record) => !hasInheritedName(record)),
      offsetDelta: fc.nat(2 ** 31 - 1),
      timestampDelta: fc.integer(),
    }),
    {
      minLength: 1,
      maxLength: 20,
    },
  ),
  firstOffset: fc.nat(Number.MAX_SAFE_INTEGER - 2 ** 32),
  firstTimestamp: fc.nat(2 ** 42),
  maxTimestamp: fc.nat(2 ** 42),
  producerId: fc.bigInt(-1n, 2n ** 62n),
  producerEpoch: fc.nat(2 ** 15 - 1),
  firstSequence: fc.nat(2 ** 31 - 1),
  transactional: fc.boolean(),
  flags: fc.subarray([LOG_APPEND_TIME, CONTROL]),
  compression: fc.constantFrom(0, 0, 0, ...COMPRESSIONS),
});

async function encode({
  records,
  flags,
  ...batch
}: typeof arbitraryBatch extends fc.Arbitrary<infer B> ? B : never): Promise<Buffer> {
  const { buffer } = await RecordBatch({
    ...batch,
    records: records.map(({ record, ...deltas }) => kafkajsRecord({ ...record, ...deltas })),
    lastOffsetDelta: records.at(-1)?.offsetDelta,
  });
  const bytes: Buffer = Buffer.from(buffer);
  bytes.writeBigInt64BE(BigInt(batch.firstOffset), 0);
  bytes.writeInt16BE(
    flags.reduce((all, flag) => all | flag, bytes.readInt16BE(21)),
    21,
  );
  writeChecksum(bytes);
  return bytes;
}

it.each(COMPRESSIONS)(
  'a header keeps its value if its name is inherited, with compression %i',
  async (compression) => {
    const names = Object.getOwnPropertyNames(Object.prototype).filter(
      (name) => name !== '__proto__',
    );
    const headers = Object.fromEntries(names.map((name) => [name, Buffer.from(`the ${name}`)]));
    const record = { key: null, value: null, headers };
    const [plain] = fc.sample(arbitraryBatch, 1) as [Parameters<typeof encode>[0]];
    const bytes = await encode({
      ...plain,
      compression,
      flags: [],
      records: [{ record, offsetDelta: 0, timestampDelta: 0 }],
    });
    expect(readFetched('topic', 0, bytes, [], ALL).records).toMatchObject([{ headers }]);
  },
);

it('a batch that compaction has emptied moves the position behind its end', async () => {
  const [plain] = fc.sample(arbitraryBatch, 1) as [Parameters<typeof encode>[0]];
  const bytes = await encode({ ...plain, compression: 0, firstOffset: 40, records: [] });
  bytes.writeInt32BE(9, 23);
  writeChecksum(bytes);
  expect(readFetched('topic', 0, bytes, [], ALL)).toMatchObject({ records: [], nextOffset: 50 });
});

it('a batch from before Kafka 0.11 is one placeholder', async () => {
  const [plain] = fc.sample(arbitraryBatch, 1) as [Parameters<typeof encode>[0]];
  const bytes = await encode({ ...plain, flags: [], transactional: false, compression: 0 });
  bytes.writeInt8(1, 16);
  bytes.writeInt32BE(0, 17);
  const { records } = readFetched('topic', 0, bytes, [], ALL);
  expect(records.map(({ damage }) => damage?.message)).toEqual([
    expect.stringContaining('It has the format 1'),
  ]);
});

/** The bytes that a broker may change without a new checksum: first offset and leader epoch. */
const OF_THE_BROKER = [0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 14, 15];

it('a batch with any other changed bit is damaged', async () => {
  const bytes = await batchOf(7, 1n, 'record');
  for (let at = 0; at < bytes.length; at += 1) {
    if (OF_THE_BROKER.includes(at)) continue;
    for (let bit = 0; bit < 8; bit += 1) {
      const changed = Buffer.from(bytes);
      changed[at] = (bytes[at] as number) ^ (1 << bit);
      expect(() => readFetched('topic', 0, changed, [], ALL), `bit ${bit} of byte ${at}`).toThrow(
        'is damaged',
      );
    }
  }
});

it('the batches before a damaged one are read, and the next fetch begins with it', async () => {
  const [first, second] = [await batchOf(0, 1n, 'record'), await batchOf(1, 1n, 'record')];
  second[second.length - 1] = (second.at(-1) as number) ^ 1;
  const { records, nextOffset } = readFetched('topic', 0, Buffer.concat([first, second]), [], ALL);
  expect([records.map(({ offset }) => offset), nextOffset]).toEqual([[0], 1]);
});

it('a fetch is decoded as by kafkajs, wherever it is cut off', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(arbitraryBatch, { maxLength: 4 }), fc.nat(), async (batches, cut) => {
      const all = Buffer.concat(await Promise.all(batches.map(encode)));
      // A leader sends at least one whole batch.
      const bytes = all.subarray(0, all.length - (batches.length > 1 ? cut % 60 : 0));
      const partition = Buffer.concat([Buffer.alloc(4), bytes, Buffer.from('what follows')]);
      partition.writeInt32BE(bytes.length);
      const theirs = (await kafkajs(new Decoder(partition))).filter(
        ({ isControlRecord }) => !isControlRecord,
      );
      expect(readFetched('topic', 7, bytes, [], ALL).records).toEqual(theirs.map(asReceived));
    }),
  );
});

function asReceived({
  offset,
  timestamp,
  key,
  value,
  headers,
  batchContext,
}: KafkajsMessage): ReceivedRecord {
  return {
    topic: 'topic',
    partition: 7,
    leaderEpoch: batchContext.partitionLeaderEpoch,
    offset: Number(offset),
    timestampMs: Number(timestamp),
    key,
    value,
    headers: Object.fromEntries(
      Object.entries(headers).filter(([, header]) => header !== null),
    ) as ReceivedRecord['headers'],
  };
}

/** Encodes a batch with one record of a transaction, or with its marker. */
async function batchOf(
  firstOffset: number,
  producerId: bigint,
  kind: 'record' | 'commit' | 'abort',
): Promise<Buffer> {
  const [plain] = fc.sample(arbitraryBatch, 1) as [Parameters<typeof encode>[0]];
  const key =
    kind === 'record' ? Buffer.from('key') : Buffer.from([0, 0, 0, kind === 'abort' ? 0 : 1]);
  const record = { record: { key, value: null, headers: {} }, offsetDelta: 0, timestampDelta: 0 };
  const flags = kind === 'record' ? [] : [CONTROL];
  return await encode({
    ...plain,
    compression: 0,
    firstOffset,
    producerId,
    transactional: true,
    flags,
    records: [record],
  });
}

/** Offsets 0 to 7. Producers 1 and 2 each abort a transaction, and then commit one. */
const history = [
  [1n, 'record'],
  [2n, 'record'],
  [2n, 'abort'],
  [2n, 'record'],
  [1n, 'abort'],
  [1n, 'record'],
  [2n, 'commit'],
  [1n, 'commit'],
] as const;
const aborted = [
  { producerId: '2', firstOffset: 1 },
  { producerId: '1', firstOffset: 0 },
];

it.each([
  { from: 0, seen: [3, 5] },
  { from: 1, seen: [3, 5] },
  { from: 3, seen: [3, 5] },
  { from: 4, seen: [5] },
])('records of aborted transactions are skipped from offset $from on', async ({ from, seen }) => {
  const batches = await Promise.all(
    history.map(([producerId, kind], offset) => batchOf(offset, producerId, kind)),
  );
  const reachInto = aborted.filter(({ producerId }) => from <= (producerId === '2' ? 2 : 4));
  const { records, nextOffset } = readFetched(
    'topic',
    0,
    Buffer.concat(batches.slice(from)),
    reachInto,
    ALL,
  );
  expect(records.map(({ offset }) => offset)).toEqual(seen);
  expect(nextOffset).toBe(history.length);
});
