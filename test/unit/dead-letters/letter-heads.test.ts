import { expect, it } from 'vitest';
import { LetterHeads } from '../../../src/dead-letters/letter-heads.ts';
import { markerRecord } from '../../../src/dead-letters/markers.ts';
import type { Broker, OffsetRange } from '../../../src/service-layer/broker.ts';
import type { LogRecord, ReceivedRecord } from '../../../src/service-layer/records.ts';

const TOPIC = 'dead-letters';
const LARGE = Buffer.alloc(1024 * 1024, 'x');

/** A topic of one partition that records which ranges are read. */
class Topic {
  readonly records: ReceivedRecord[] = [];
  readonly read: OffsetRange[] = [];

  add(...records: readonly Pick<LogRecord, 'headers'>[]): void {
    for (const { headers } of records) {
      const place = { topic: TOPIC, partition: 0, offset: this.records.length, timestampMs: 0 };
      this.records.push({
        ...place,
        key: LARGE.subarray(0, 3),
        value: LARGE,
        headers,
      } as ReceivedRecord);
    }
  }

  get broker(): Broker {
    const broker: Partial<Broker> = {
      offsetRanges: async () => [{ partition: 0, beginning: 0, end: this.records.length }],
      read: async (_topic, ranges, take) => {
        for (const { partition, beginning, end } of ranges) {
          this.read.push({ partition, beginning, end });
          await take({ partition, records: this.records.slice(beginning, end), nextOffset: end });
        }
      },
    };
    return broker as Broker;
  }
}

const letter = (failedAt: string) => ({
  headers: { 'dead-letter-reason': 'malformed', 'dead-letter-failed-at': failedAt },
});

it('listed dead letters do not keep the bytes of their records', async () => {
  const topic = new Topic();
  topic.add(letter('2026-11-27T00:00:00.000Z'));
  const [listed] = await new LetterHeads(topic.broker, TOPIC).read();
  expect([String(listed?.key), listed?.valueBytes]).toEqual(['xxx', LARGE.length]);
  expect(listed?.key?.buffer.byteLength).toBeLessThan(LARGE.length);
  expect(JSON.stringify(listed).length).toBeLessThan(1_000);
});

it('a second listing reads on from where the first one ended', async () => {
  const topic = new Topic();
  topic.add(letter('2026-11-27T00:00:02.000Z'));
  const letters = new LetterHeads(topic.broker, TOPIC);
  const [first] = await letters.read();
  expect(first?.resolution).toBeNull();
  topic.add(
    letter('2026-11-27T00:00:01.000Z'),
    markerRecord({ id: `${TOPIC}/0/0`, key: null }, 'discarded', 'me', new Date(0)),
  );
  const resolutions = (await letters.read()).map(({ id, resolution }) => [id, resolution]);
  expect(resolutions).toEqual([
    [`${TOPIC}/0/1`, null],
    [`${TOPIC}/0/0`, 'discarded'],
  ]);
  expect(topic.read.map(({ beginning, end }) => [beginning, end])).toEqual([
    [0, 1],
    [1, 3],
  ]);
});
