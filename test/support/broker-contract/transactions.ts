import { describe, expect, it } from 'vitest';
import { FencedError } from '../../../src/service-layer/errors.ts';
import { eventually } from '../eventually.ts';
import { type CurrentLog, message, textsOf } from './log-under-test.ts';

/** Declares what a broker promises of transactions. */
export function describeTransactions(log: CurrentLog): void {
  describe('a transaction', () => {
    it('shows its records in order, and moves the committed offset of its group', async () => {
      const { broker, group, topic } = log();
      const records = await log().tail('beginning');
      const producer = await broker.openProducer(`${group}-0`);
      const outgoing = ['a', 'b', 'c'].map((value) => ({ ...message(value, 'key'), topic }));
      await producer.publish(outgoing, { group, topic, partition: 1, nextOffset: 7 });
      await eventually(() => expect(textsOf(records)).toEqual(['a', 'b', 'c']));
      expect(await broker.committedOffsets(group, topic)).toEqual([null, 7, null]);
      await producer.close();
    });

    it('without records moves the committed offset of its group', async () => {
      const { broker, group, topic } = log();
      const producer = await broker.openProducer(`${group}-0`);
      await producer.publish([], { group, topic, partition: 0, nextOffset: 3 });
      expect(await broker.committedOffsets(group, topic)).toEqual([3, null, null]);
      await producer.close();
    });

    it('that fails shows no record and moves no committed offset', async () => {
      const { broker, group, topic } = log();
      const records = await log().tail('beginning');
      const producer = await broker.openProducer(`${group}-0`);
      const half = [
        { ...message('good'), topic },
        { ...message('lost'), topic: `missing-${group}` },
      ];
      await expect(
        producer.publish(half, { group, topic, partition: 0, nextOffset: 1 }),
      ).rejects.toThrow();
      await producer.close();
      const successor = await broker.openProducer(`${group}-0`);
      await successor.publish([{ ...message('after'), topic }], null);
      await eventually(() => expect(textsOf(records)).toEqual(['after']));
      expect(await broker.committedOffsets(group, topic)).toEqual([null, null, null]);
      await successor.close();
    });

    it('of a former holder of the id is refused, and none of its records is seen', async () => {
      const { broker, group, topic } = log();
      const records = await log().tail('beginning');
      const former = await broker.openProducer(`${group}-0`);
      await former.publish([{ ...message('before'), topic }], null);
      const successor = await (await log().another()).openProducer(`${group}-0`);
      await expect(
        former.publish([{ ...message('zombie'), topic }], {
          group,
          topic,
          partition: 0,
          nextOffset: 9,
        }),
      ).rejects.toThrow(FencedError);
      await successor.publish([{ ...message('after'), topic }], {
        group,
        topic,
        partition: 0,
        nextOffset: 2,
      });
      await eventually(() => expect(textsOf(records).sort()).toEqual(['after', 'before']));
      expect((await broker.committedOffsets(group, topic))[0]).toBe(2);
      await former.close();
      await successor.close();
    });
  });
}
