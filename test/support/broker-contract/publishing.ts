import { describe, expect, it } from 'vitest';
import { eventually } from '../eventually.ts';
import {
  type CurrentLog,
  MAX_MESSAGE_BYTES,
  message,
  PARTITIONS,
  textsOf,
} from './log-under-test.ts';

/** Declares what a broker promises to those who publish. */
export function describePublishing(log: CurrentLog): void {
  describe('publishing', () => {
    it('returns the place of each record, in the order of the records', async () => {
      const { broker, topic } = log();
      const values = Array.from({ length: 20 }, (_, index) => `value-${index}`);
      const places = await broker.publish(
        topic,
        values.map((value, index) => message(value, index % 2 ? `key-${index}` : null)),
      );
      const records = await log().tail('beginning');
      await eventually(() => expect(records).toHaveLength(20));
      const found = new Map(
        records.map(({ partition, offset, value }) => [`${partition}/${offset}`, String(value)]),
      );
      expect(places.map(({ partition, offset }) => found.get(`${partition}/${offset}`))).toEqual(
        values,
      );
    });

    it('puts records of one key into one partition in order, from any client', async () => {
      const { broker, topic } = log();
      const other = await log().another();
      for (let index = 0; index < 6; index += 1)
        await (index % 2 ? other : broker).publish(topic, [message(`${index}`, 'the key')]);
      const records = await log().tail('beginning');
      await eventually(() => expect(textsOf(records)).toEqual(['0', '1', '2', '3', '4', '5']));
      expect(new Set(records.map(({ partition }) => partition)).size).toBe(1);
    });

    it('puts records into the partition they name, in order, despite their keys', async () => {
      const { broker, topic } = log();
      const others = [broker, await log().another()];
      for (let index = 0; index < 12; index += 1) {
        const record = { ...message(`${index}`, `key-${index}`), partition: 2 };
        expect(await others[index % 2]?.publish(topic, [record])).toEqual([
          { partition: 2, offset: index },
        ]);
      }
      const records = await log().tail('beginning');
      await eventually(() =>
        expect(textsOf(records)).toEqual(Array.from({ length: 12 }, (_, index) => `${index}`)),
      );
      expect(new Set(records.map(({ partition }) => partition))).toEqual(new Set([2]));
    });

    it('refuses a record for a missing partition, and takes the next record', async () => {
      const { broker, topic } = log();
      await expect(
        broker.publish(topic, [{ ...message('lost'), partition: PARTITIONS }]),
      ).rejects.toThrow(RangeError);
      await broker.publish(topic, [{ ...message('found'), partition: 0 }]);
      expect(String((await log().expectOneRecord()).value)).toBe('found');
    });

    it('returns keys, values and headers byte for byte', async () => {
      const { broker, topic } = log();
      const bytes = Buffer.from([0, 0xff, 0xfe, 0x80]);
      await broker.publish(topic, [
        { key: bytes, value: bytes, headers: { plain: 'text', raw: bytes, twice: ['a', bytes] } },
      ]);
      const record = await log().expectOneRecord();
      expect(record).toMatchObject({
        topic,
        key: bytes,
        value: bytes,
        headers: { raw: bytes, twice: [Buffer.from('a'), bytes] },
      });
      expect(String(record.headers.plain)).toBe('text');
    });

    it.each([
      ['a tombstone', null],
      ['an empty value', Buffer.alloc(0)],
    ])('returns %s as it was published', async (_, value) => {
      const { broker, topic } = log();
      await broker.publish(topic, [{ key: 'key', value, headers: {} }]);
      const record = await log().expectOneRecord();
      expect(record.value).toEqual(value);
    });

    it('refuses a record larger than the topic takes, and takes the next record', async () => {
      const { broker, topic } = log();
      await expect(
        broker.publish(topic, [message('x'.repeat(2 * MAX_MESSAGE_BYTES))]),
      ).rejects.toThrow(/too large/i);
      await broker.publish(topic, [message('small')]);
      const record = await log().expectOneRecord();
      expect(String(record.value)).toBe('small');
    });
  });
}
