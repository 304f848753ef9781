import { encodeDeadLetter } from '../../src/dead-letters/encode-dead-letter.ts';
import { markerRecord, type Resolution } from '../../src/dead-letters/markers.ts';
import { placeOf } from '../../src/domain/place.ts';
import type { DeadLetterReason } from '../../src/messages/dead-letter-reasons.ts';
import type { Broker } from '../../src/service-layer/broker.ts';
import type { LogRecord, ReceivedRecord } from '../../src/service-layer/records.ts';

const MAX_BYTES = 1024 * 1024;
const CHUNK_RECORDS = 500;
const BEGINNING_MS = Date.UTC(2026, 10, 25);

/** How the letter of a test differs from the usual one: a command that is no JSON. */
export interface LetterContent {
  readonly reason?: DeadLetterReason;
  readonly message?: string;
  readonly key?: string | null;
  readonly value?: string | null;
  /** When the message failed, in seconds since the beginning of the test's time. */
  readonly seconds?: number;
  readonly partition?: number;
  readonly parked?: {
    readonly id: string;
    readonly skus?: readonly string[];
    readonly behind?: readonly string[];
    readonly position: number;
  };
}

/** A dead letters topic in memory. */
export class LetterTopic implements Pick<Broker, 'read' | 'offsetRanges'> {
  static readonly NAME = 'dead';
  readonly #partitions: ReceivedRecord[][];
  readonly #beginnings: number[];
  /** How many records were read, all readings together. */
  readCount = 0;

  constructor(partitions = 1) {
    this.#partitions = Array.from({ length: partitions }, () => []);
    this.#beginnings = Array(partitions).fill(0);
  }

  /** Adds a letter. @returns its place */
  add(content: LetterContent = {}): string {
    const { reason = 'malformed', message = 'The value is not JSON', seconds = 0 } = content;
    const { key = null, value = 'no JSON', partition = 0, parked } = content;
    const offset = this.#end(partition);
    const original = { topic: 'commands', partition, offset, headers: {} };
    const bytes = { key: key === null ? null : Buffer.from(key), value: asBytes(value) };
    const cause = {
      reason,
      message,
      attempts: 1,
      failedAt: new Date(BEGINNING_MS + seconds * 1_000).toISOString(),
      parked: parked ? { skus: [], behind: [], ...parked } : null,
    };
    return this.put(encodeDeadLetter({ ...original, ...bytes }, cause, MAX_BYTES), partition);
  }

  /** Takes a letter off the list. @param partition where the marker lies */
  resolve(id: string, resolution: Resolution, partition = 0, by = 'ada@here'): void {
    this.put(markerRecord({ id, key: null }, resolution, by, new Date(BEGINNING_MS)), partition);
  }

  put({ key, value, headers }: LogRecord, partition: number, timestampMs = BEGINNING_MS): string {
    const topic = LetterTopic.NAME;
    const offset = this.#end(partition);
    const bytes = { key: asBytes(key), value: asBytes(value) };
    this.#partitions[partition]?.push({ topic, partition, offset, timestampMs, headers, ...bytes });
    return placeOf({ topic, partition, offset });
  }

  /** Deletes the records before the offset, as retention does. */
  deleteBefore(partition: number, offset: number): void {
    this.#beginnings[partition] = offset;
  }

  offsetRanges: Broker['offsetRanges'] = async () =>
    this.#partitions.map((records, partition) => ({
      partition,
      beginning: this.#beginnings[partition] ?? 0,
      end: records.length,
    }));

  read: Broker['read'] = async (_topic, ranges, take, signal) => {
    for (const { partition, beginning, end } of ranges) {
      const first = Math.max(beginning, this.#beginnings[partition] ?? 0);
      for (let offset = first; offset < end; offset += CHUNK_RECORDS) {
        signal?.throwIfAborted();
        const nextOffset = Math.min(end, offset + CHUNK_RECORDS);
        const records = this.#partitions[partition]?.slice(offset, nextOffset) ?? [];
        this.readCount += records.length;
        await take({ partition, records, nextOffset });
      }
    }
  };

  #end(partition: number): number {
    return this.#partitions[partition]?.length ?? 0;
  }
}

function asBytes(value: Buffer | string | null): Buffer | null {
  return value === null ? null : Buffer.from(value);
}
