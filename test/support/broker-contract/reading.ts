import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Broker, OffsetRange, ReadChunk } from '../../../src/service-layer/broker.ts';
import type { ReceivedRecord } from '../../../src/service-layer/records.ts';
import { type CurrentLog, type LogUnderTest, message, textsOf } from './log-under-test.ts';

/** Declares what a broker promises to those who read ranges of offsets. */
export function describeReading(log: CurrentLog): void {
  describe('reading ranges', () => {
    it('delivers each partition up to its end in order, from all writers', async () => {
      const { broker, group, topic } = log();
      const values = Array.from({ length: 60 }, (_, index) => `${index}`);
      const places = await broker.publish(
        topic,
        values.map((value) => message(value, `key-${value}`)),
      );
      const producer = await broker.openProducer(`${group}-0`);
      await producer.publish([{ ...message('in a transaction', 'key-0'), topic }], null);
      await producer.close();
      const ranges = await broker.offsetRanges(topic);
      await broker.publish(topic, [message('after the ends', 'key-0')]);
      const deliveries = await chunksOf(log(), ranges, await log().another());
      const expected = values.map((value, index) => ({ ...places[index], value }));
      const found = recordsOf(deliveries).map(({ partition, offset, value }) => ({
        partition,
        offset,
        value: String(value),
      }));
      for (const { partition, end } of ranges) {
        const of = (places: readonly { readonly partition?: number; readonly value: string }[]) =>
          places.filter(
            (place) => place.partition === partition && place.value !== 'in a transaction',
          );
        expect(of(found)).toEqual(of(expected));
        expect(
          deliveries.findLast((delivery) => delivery.partition === partition)?.nextOffset,
        ).toBe(end);
      }
      expect(found.map(({ value }) => value).sort()).toEqual(
        [...values, 'in a transaction'].sort(),
      );
    });

    it('delivers nothing from outside a range, even if it was published together', async () => {
      const { partition, beginning } = await log().publishToOnePartition('a', 'b', 'c', 'd', 'e');
      const deliveries = await chunksOf(log(), [
        { partition, beginning: beginning + 1, end: beginning + 4 },
      ]);
      expect(textsOf(recordsOf(deliveries))).toEqual(['b', 'c', 'd']);
      expect(deliveries.at(-1)?.nextOffset).toBe(beginning + 4);
    });

    it('returns keys, values and headers byte for byte', async () => {
      const { broker, topic } = log();
      const bytes = Buffer.from([0, 0xff, 0xfe, 0x80]);
      await broker.publish(topic, [
        { key: bytes, value: bytes, headers: { raw: bytes, twice: ['a', bytes] } },
      ]);
      const [record] = recordsOf(await chunksOf(log(), await broker.offsetRanges(topic)));
      expect(record).toMatchObject({
        topic,
        key: bytes,
        value: bytes,
        headers: { raw: bytes, twice: [Buffer.from('a'), bytes] },
      });
    });

    it('splits a long range into adjoining deliveries, taken one at a time', async () => {
      const { broker, topic } = log();
      for (let part = 0; part < 20; part += 1)
        await log().publishToOnePartition('x'.repeat(90_000));
      const { partition, beginning, end } = await log().publishToOnePartition('the last');
      const deliveries: ReadChunk[] = [];
      let taking = 0;
      await broker.read(topic, [{ partition, beginning, end }], async (delivery) => {
        taking += 1;
        expect(taking).toBe(1);
        await sleep(20);
        deliveries.push(delivery);
        taking -= 1;
      });
      expect(taking).toBe(0);
      expect(deliveries.length).toBeGreaterThan(1);
      expect(recordsOf(deliveries)).toHaveLength(21);
      let next = beginning;
      for (const { records, nextOffset } of deliveries) {
        expect(records.every(({ offset }) => offset >= next && offset < nextOffset)).toBe(true);
        next = nextOffset;
      }
      expect(next).toBe(end);
    });

    it('rejects at once with the error that `take` rejects with', async () => {
      const { broker, topic } = log();
      const range = await log().publishToOnePartition('a');
      const other = await log().publishToOnePartition('b');
      const fault = new Error('cannot take it');
      let taken = 0;
      const reading = broker.read(topic, [range, { ...other, beginning: range.end }], async () => {
        taken += 1;
        throw fault;
      });
      await expect(reading).rejects.toBe(fault);
      expect(taken).toBe(1);
    });

    it('rejects with the reason of an aborted signal once `take` has finished', async () => {
      const { broker, topic } = log();
      const range = await log().publishToOnePartition('a');
      const aborting = new AbortController();
      const reason = new Error('no longer wanted');
      let isTaken = false;
      const take = async () => {
        aborting.abort(reason);
        await sleep(20);
        isTaken = true;
      };
      await expect(broker.read(topic, [range], take, aborting.signal)).rejects.toBe(reason);
      expect(isTaken).toBe(true);
      await expect(
        broker.read(topic, [range], () => expect.fail('taken'), aborting.signal),
      ).rejects.toBe(reason);
    });

    it('without a range, or with an empty one, delivers nothing', async () => {
      const { partition, end } = await log().publishToOnePartition('a');
      expect(await chunksOf(log(), [])).toEqual([]);
      expect(await chunksOf(log(), [{ partition, beginning: end, end }])).toEqual([]);
    });
  });
}

async function chunksOf(
  { broker, topic }: LogUnderTest,
  ranges: readonly OffsetRange[],
  through: Broker = broker,
): Promise<readonly ReadChunk[]> {
  const chunks: ReadChunk[] = [];
  await through.read(topic, ranges, async (chunk) => void chunks.push(chunk));
  return chunks;
}

function recordsOf(chunks: readonly ReadChunk[]): readonly ReceivedRecord[] {
  return chunks.flatMap(({ records }) => records);
}
