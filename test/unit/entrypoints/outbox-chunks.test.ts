import { describe, expect, it } from 'vitest';
import {
  estimateBytes,
  MAX_CHUNK_BYTES,
  wholeCommandChunks,
} from '../../../src/entrypoints/outbox-chunks.ts';
import type { OutboxRecord } from '../../../src/service-layer/lane-store.ts';

/** A chunk that is larger takes no further command. */
const FULL_BYTES = MAX_CHUNK_BYTES / 4;
/** A guess, because the headers of a record are not counted before they are encoded. */
const HEADERS_BYTES = 400;

/** Builds a record that takes so many bytes on the wire. */
const record = (sourceOffset: number, bytes: number): OutboxRecord => ({
  sequence: sourceOffset,
  sourceOffset,
  topic: 'events',
  key: 'key',
  value: 'value',
  headers: {},
  encoded: Buffer.alloc(bytes),
});

/** Returns the commands of each chunk, the offset behind it, and its bytes. */
const chunksOf = (...records: readonly OutboxRecord[]) =>
  wholeCommandChunks(records, 100).map((chunk) => [
    chunk.records.map(({ sourceOffset }) => sourceOffset),
    chunk.nextOffset,
    chunk.bytes,
  ]);

describe('The records of the outbox', () => {
  it('are one chunk that ends behind everything, also if there are none', () => {
    expect(chunksOf()).toEqual([[[], 100, 0]]);
    expect(chunksOf(record(5, 500), record(7, 600))).toEqual([[[5, 7], 100, 1_100]]);
  });

  it('are cut behind a command that has filled a chunk', () => {
    expect(chunksOf(record(5, FULL_BYTES), record(7, 500), record(9, 600))).toEqual([
      [[5, 7], 8, FULL_BYTES + 500],
      [[9], 100, 600],
    ]);
  });

  it('are never cut within the answer to a command', () => {
    const answer = [record(5, 2 * FULL_BYTES), record(5, 2 * FULL_BYTES), record(5, 500)];
    expect(chunksOf(...answer, record(6, 500))).toEqual([
      [[5, 5, 5], 6, 4 * FULL_BYTES + 500],
      [[6], 100, 500],
    ]);
  });

  it('take twice their size in memory, as text and as bytes', () => {
    const bare = { ...record(1, 500), key: null, value: null };
    const size = 'key'.length + 'value'.length + HEADERS_BYTES;
    expect(estimateBytes([record(1, 500), bare])).toBe(2 * (size + HEADERS_BYTES));
  });
});
