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
}
