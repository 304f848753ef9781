import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeOutbox, encodeOutbox } from '../../../src/adapters/database/lanes/outbox.ts';
import { ByteWriter, writeRecord } from '../../../src/adapters/record-bytes.ts';
import type { AnswerRecord } from '../../../src/service-layer/lane-store.ts';
import type { LogRecord } from '../../../src/service-layer/records.ts';
import { arbitraryRecord } from '../../support/arbitrary-records.ts';

const FIRST_SEQUENCE = 1_000_000;
const NEXT_OFFSET = 5_000_000;

/** Several of these need more room than a writer has at first. */
const LARGE_RECORD: LogRecord = { key: null, value: 'x'.repeat(40_000), headers: {} };

/** The answers of one transaction, two to a command. */
const arbitraryAnswers = fc
  .array(fc.oneof(arbitraryRecord, fc.constant(LARGE_RECORD)), { minLength: 1, maxLength: 20 })
  .map((records): readonly AnswerRecord[] =>
    records.map((record, index) => ({
      ...record,
      topic: index % 3 === 0 ? 'dead-letters' : 'events',
      sequence: FIRST_SEQUENCE + index,
      sourceOffset: NEXT_OFFSET - records.length + Math.floor(index / 2),
    })),
  );

function bytesAlone(record: LogRecord): Buffer {
  const writer = new ByteWriter();
  writeRecord(writer, record);
  return writer.bytes;
}

describe('The outbox of a transaction', () => {
  it('is encoded record by record, and leaves the answers as they are', () => {
    fc.assert(
      fc.property(arbitraryAnswers, (answers) => {
        const frozen = answers.map((answer) => Object.freeze({ ...answer }));
        const { records } = encodeOutbox(frozen, NEXT_OFFSET);
        expect(records).toEqual(
          answers.map((answer) => ({ ...answer, encoded: bytesAlone(answer) })),
        );
      }),
    );
  });

  it('is read back from its row with the same bytes', () => {
    fc.assert(
      fc.property(arbitraryAnswers, (answers) => {
        const { records, row } = encodeOutbox(answers, NEXT_OFFSET);
        const identify = ({ topic, sequence, sourceOffset, encoded }: (typeof records)[number]) => {
          return { topic, sequence, sourceOffset, encoded };
        };
        expect(row && decodeOutbox(row).map(identify)).toEqual(records.map(identify));
        expect(row).toMatchObject({ sequence: FIRST_SEQUENCE, next_offset: NEXT_OFFSET });
      }),
    );
  });

  it('has no row if there are no answers', () => {
    expect(encodeOutbox([], NEXT_OFFSET)).toEqual({ records: [], row: null });
  });
});
