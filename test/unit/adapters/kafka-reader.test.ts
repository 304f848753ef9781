import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Leader } from '../../../src/adapters/broker/kafka/leader-connection.ts';
import { KafkaReader } from '../../../src/adapters/broker/kafka/reader.ts';
import { writeChecksum } from '../../../src/adapters/broker/kafka/records/checksum.ts';
import { ERROR } from '../../../src/adapters/broker/kafka/requests/error-codes.ts';
import type { Exchange } from '../../../src/adapters/broker/kafka/requests/exchange.ts';
import type { FetchAnswer } from '../../../src/adapters/broker/kafka/requests/fetch-request.ts';
import { ByteWriter } from '../../../src/adapters/record-bytes.ts';
import type { ReadChunk } from '../../../src/service-layer/broker.ts';
import { TroubleError } from '../../../src/service-layer/errors.ts';

/** Where a request to fetch one partition has the offset. */
const OFFSET_AT = 52;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] });
});

afterEach(() => {
  vi.useRealTimers();
});

/** A leader that takes half a second for each fetch. `answer` gives the answer, and may throw. */
class FakeLeader implements Leader {
  drops = 0;
  isClosed = false;
  readonly #answer: (fetchOffset: number) => FetchAnswer;

  constructor(answer: (fetchOffset: number) => FetchAnswer) {
    this.#answer = answer;
  }

  async ask<T>(question: Exchange<T>): Promise<T> {
    if (question.request.apiName === 'ListOffsets')
      return { errorCode: ERROR.NONE, offset: 0 } as T;
    vi.setSystemTime(Date.now() + 500);
    const { buffer } = (await question.request.encode()) as unknown as { readonly buffer: Buffer };
    return this.#answer(Number(buffer.readBigInt64BE(OFFSET_AT))) as T;
  }

  drop(): void {
    this.drops += 1;
  }

  close(): void {
    this.isClosed = true;
  }
}

const never = new AbortController().signal;
const logId = async () => 'cluster/00112233445566778899aabbccddeeff';

async function read(end: number, leader: FakeLeader): Promise<readonly ReadChunk[]> {
  const chunks: ReadChunk[] = [];
  const reader = new KafkaReader('topic', logId, () => leader, never);
  for await (const chunk of reader.chunks([{ partition: 0, beginning: 0, end }]))
    chunks.push(chunk);
  return chunks;
}

/** Encodes one batch, in which compaction has left the records at these offsets. */
function batch(
  firstOffset: number,
  lastOffset: number,
  ...offsets: readonly number[]
): FetchAnswer {
  const records = new ByteWriter();
  for (const offset of offsets) {
    records.raw(Buffer.from([0, 0, 0])); // length, attributes, timestamp delta
    records.varint(offset - firstOffset);
    records.nullableBytes(null);
    records.nullableBytes(null);
    records.varint(0); // headers
  }
  const bytes = Buffer.concat([Buffer.alloc(61), records.bytes]);
  bytes.writeBigInt64BE(BigInt(firstOffset), 0);
  bytes.writeInt32BE(bytes.length - 12, 8);
  bytes.writeInt8(2, 16);
  bytes.writeInt32BE(lastOffset - firstOffset, 23);
  bytes.writeInt32BE(offsets.length, 57);
  writeChecksum(bytes);
  return { errorCode: ERROR.NONE, lastStableOffset: 10, aborted: [], bytes };
}

const nothing = (lastStableOffset: number): FetchAnswer => ({
  errorCode: ERROR.NONE,
  lastStableOffset,
  aborted: [],
  bytes: Buffer.alloc(0),
});
const offsetsOf = (chunks: readonly ReadChunk[]) =>
  chunks.map(({ records, nextOffset }) => [records.map(({ offset }) => offset), nextOffset]);

it('offsets that compaction has taken from the end of a batch are passed over', async () => {
  const asked: number[] = [];
  const leader = new FakeLeader((offset) => {
    asked.push(offset);
    return offset < 6 ? batch(0, 5, 1, 3) : batch(6, 9, 8);
  });
  expect(offsetsOf(await read(10, leader))).toEqual([
    [[1, 3], 6],
    [[8], 10],
  ]);
  expect(asked).toEqual([0, 6]);
  expect(leader.isClosed).toBe(true);
});

it('records before the requested offset are not handed over again', async () => {
  const leader = new FakeLeader((offset) =>
    offset < 4 ? batch(0, 3, 0, 1) : batch(0, 9, 0, 1, 4, 9),
  );
  expect(offsetsOf(await read(10, leader))).toEqual([
    [[0, 1], 4],
    [[4, 9], 10],
  ]);
});

it('a partition without records at its end is read to its end', async () => {
  let empty = 0;
  const slow = new FakeLeader((offset) => {
    empty += 1;
    return offset === 0 && empty > 5 ? batch(0, 5, 0) : nothing(10);
  });
  expect(offsetsOf(await read(10, slow))).toEqual([
    [[0], 6],
    [[], 10],
  ]);
});

it('a transaction that stays open longer than Kafka allows is reported', async () => {
  const before = Date.now();
  const reading = read(10, new FakeLeader(() => nothing(0)));
  await expect(reading).rejects.toThrow(TroubleError);
  await expect(reading).rejects.toThrow(
    'topic/0 can be read up to offset 0, and 10 was expected: a transaction there does not end',
  );
  expect(Date.now() - before).toBeGreaterThan(70_000);
});

it('after an error the reader goes on where it stood, with a new connection', async () => {
  let refusals = 0;
  const leader = new FakeLeader((offset) => {
    if (offset === 0) return batch(0, 3, 0, 1, 2, 3);
    if (refusals++ === 0) return { ...nothing(10), errorCode: ERROR.NOT_LEADER_OR_FOLLOWER };
    return batch(4, 9, 4, 9);
  });
  expect(offsetsOf(await read(10, leader))).toEqual([
    [[0, 1, 2, 3], 4],
    [[4, 9], 10],
  ]);
  expect(leader.drops).toBe(1);
});

it('errors that do not end become a TroubleError', async () => {
  const leader = new FakeLeader(() => {
    vi.setSystemTime(Date.now() + 10_000);
    throw new Error('away');
  });
  await expect(read(10, leader)).rejects.toThrow(
    new TroubleError('Reading topic/0 from offset 0 on: away'),
  );
});
