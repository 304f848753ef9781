import { describe, expect, it } from 'vitest';
import type { ReceivedRecord } from '../../../src/service-layer/records.ts';
import { eventually } from '../eventually.ts';
import { type CurrentLog, message, textsOf } from './log-under-test.ts';

/** Declares what a broker promises to those who follow a topic. */
export function describeTails(log: CurrentLog): void {
  describe('a tail', () => {
    it('from the end delivers every record that is published once it is open', async () => {
      const { broker, topic } = log();
      await broker.publish(topic, [message('before')]);
      const records = await log().tail('end');
      await (await log().another()).publish(topic, [message('after', 'a'), message('after', 'b')]);
      await eventually(() => expect(textsOf(records)).toEqual(['after', 'after']));
    });

    it('delivers nothing once it is closed', async () => {
      const { broker, topic } = log();
      const records: ReceivedRecord[] = [];
      const tail = await broker.tail(topic, 'end', (record) => records.push(record));
      await tail.close();
      await broker.publish(topic, [message('unseen')]);
      const others = await log().tail('beginning');
      await eventually(() => expect(others).toHaveLength(1));
      expect(records).toEqual([]);
    });
  });

  describe('a tail that samples', () => {
    /** Opens the tail. @returns what it tells, in order, and its end */
    async function sample(everyMs: number, maxRecords: number) {
      const { broker, topic } = log();
      const told: (string | { readonly skippedTo: number })[] = [];
      const onRecord = ({ value }: ReceivedRecord) => told.push(String(value));
      const onSkipped = (_partition: number, skippedTo: number) => told.push({ skippedTo });
      const sampling = { everyMs, maxRecords, onSkipped };
      const tail = await broker.tail(topic, 'end', onRecord, sampling);
      return { told, tail };
    }
    const named = (name: string, count: number) =>
      Array.from({ length: count }, (_, index) => `${name}${index}`);

    it('delivers every record while few come', async () => {
      const { told } = await sample(10, 5);
      for (const name of ['a', 'b', 'c']) {
        await log().publishToOnePartition(...named(name, 5));
        await eventually(() => expect(told.at(-1)).toBe(`${name}4`));
      }
      expect(told).toEqual([...named('a', 5), ...named('b', 5), ...named('c', 5)]);
    });

    it('delivers the newest records of many, and says where it goes on', async () => {
      const { told } = await sample(10, 5);
      const { end } = await log().publishToOnePartition(...named('a', 50));
      await eventually(() => expect(told.at(-1)).toBe('a49'));
      expect(told).toEqual([{ skippedTo: end - 5 }, 'a45', 'a46', 'a47', 'a48', 'a49']);
    });

    it('looks at a partition again after its time, and passes over what came', async () => {
      const everyMs = 300;
      const { told } = await sample(everyMs, 2);
      await log().publishToOnePartition('first');
      await eventually(() => expect(told).toEqual(['first']));
      const firstAtMs = performance.now();
      for (const name of ['a', 'b']) await log().publishToOnePartition(...named(name, 20));
      await eventually(() => expect(told.at(-1)).toBe('b19'));
      // The timer of the tail has begun before the test saw its record.
      expect(performance.now() - firstAtMs).toBeGreaterThan(everyMs / 2);
      expect(told.filter((each) => typeof each === 'string')).toEqual(['first', 'b18', 'b19']);
    });

    it('closes while it waits for its next look', async () => {
      const { told, tail } = await sample(600_000, 5);
      await log().publishToOnePartition('seen');
      await eventually(() => expect(told).toEqual(['seen']));
      await tail.close();
      await log().publishToOnePartition('unseen');
      const others = await log().tail('beginning');
      await eventually(() => expect(others).toHaveLength(2));
      expect(told).toEqual(['seen']);
    });
  });
}
