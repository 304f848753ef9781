import { createRequire } from 'node:module';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  batchesOf,
  sequenceAfter,
} from '../../../src/adapters/broker/kafka/records/record-batch.ts';
import { arbitraryRecord } from '../../support/arbitrary-records.ts';

const require = createRequire(import.meta.url);
const kafkajsRecord = require('kafkajs/src/protocol/recordBatch/record/v0');
const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0');

const WRITER = {
  producerId: 4_711n,
  producerEpoch: 3,
  firstSequence: 70_000,
  isTransactional: true,
};
/** Limits of topics, below and above the size of a full record batch. */
const TOPIC_LIMITS_BYTES = [1_000, 100_000, 900 * 1024, 1_048_588];
const TIMESTAMP_MS = 1_795_430_000_000;
/** The bytes of the leader epoch, which the broker sets. kafkajs writes 0, Java's producer -1. */
const LEADER_EPOCH = [12, 16] as const;

it('a record batch is encoded to the same bytes as by kafkajs', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(arbitraryRecord, { minLength: 1, maxLength: 80 }),
      async (records) => {
        const [batch, ...more] = await batchesOf(
          records.map((record) => ({
            record: { ...record, topic: 'events' },
            partition: 1,
            maxMessageBytes: 1_048_588,
          })),
        );
        const encoded = batch?.encode(WRITER, TIMESTAMP_MS);
        const expected = await RecordBatch({
          records: records.map((record, offsetDelta) =>
            kafkajsRecord({ ...record, offsetDelta, timestampDelta: 0 }),
          ),
          ...WRITER,
          firstTimestamp: TIMESTAMP_MS,
          maxTimestamp: TIMESTAMP_MS,
          transactional: true,
          lastOffsetDelta: records.length - 1,
        });
        expect(more).toEqual([]);
        expect(encoded?.fill(0, ...LEADER_EPOCH).toString('hex')).toBe(
          expected.buffer.toString('hex'),
        );
      },
    ),
  );
});

it('records are cut into batches that the broker takes, in order and without loss', async () => {
  const size = fc.oneof(fc.nat(1_000), fc.nat(950_000));
  const record = fc.tuple(fc.nat(2), size).map(([partition, bytes]) => {
    return {
      partition,
      record: { topic: 'events', key: 'k', value: 'x'.repeat(bytes), headers: {} },
    };
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(record, { maxLength: 30 }),
      fc.constantFrom(...TOPIC_LIMITS_BYTES),
      async (records, maxMessageBytes) => {
        const batches = await batchesOf(records.map((each) => ({ ...each, maxMessageBytes })));
        const limit = Math.min(maxMessageBytes, 900 * 1024);
        for (const { bytes, count } of batches) expect(count === 1 || bytes <= limit).toBe(true);
        for (const partition of [0, 1, 2]) {
          const counts = batches
            .filter((batch) => batch.partition === partition)
            .map(({ count }) => count);
          const sizes = records
            .filter((each) => each.partition === partition)
            .map((each) => each.record.value.length);
          expect(counts.reduce((sum, count) => sum + count, 0)).toBe(sizes.length);
          const bytes = batches
            .filter((batch) => batch.partition === partition)
            .map((batch) => batch.bytes);
          let start = 0;
          for (const [index, count] of counts.entries()) {
            const content = sizes.slice(start, start + count).reduce((sum, each) => sum + each, 0);
            expect(bytes[index]).toBeGreaterThanOrEqual(content);
            expect(bytes[index]).toBeLessThan(content + 61 + 20 * count);
            start += count;
          }
        }
      },
    ),
  );
});

it.each([
  [0, 1, 1],
  [7, 3, 10],
  [2 ** 31 - 2, 1, 2 ** 31 - 1],
  [2 ** 31 - 1, 1, 0],
  [2 ** 31 - 2, 5, 3],
])('sequence %i and a batch of %i records are followed by sequence %i', (first, count, next) => {
  expect(sequenceAfter(first, count)).toBe(next);
});
