import { describe, expect, it } from 'vitest';
import { MissingTopicError } from '../../../src/service-layer/errors.ts';
import { type CurrentLog, MAX_MESSAGE_BYTES, message, PARTITIONS } from './log-under-test.ts';

/** Declares what a broker can be asked about itself. */
export function describeQuestions(log: CurrentLog): void {
  describe('asked about itself', () => {
    it('tells how far a group lags behind the end', async () => {
      const { broker, group, topic } = log();
      const places = await broker.publish(
        topic,
        ['a', 'b', 'c'].map((value) => message(value, 'key')),
      );
      const [{ partition, offset } = { partition: 0, offset: 0 }] = places;
      const producer = await broker.openProducer(`${group}-${partition}`);
      await producer.publish([], { group, topic, partition, nextOffset: offset + 1 });
      await producer.close();
      const range = (await broker.offsetRanges(topic)).find((each) => each.partition === partition);
      expect(
        (range?.end ?? 0) - ((await broker.committedOffsets(group, topic))[partition] ?? 0),
      ).toBe(2);
      expect(range?.beginning).toBe(0);
    });

    it('tells every client the same identity of the log', async () => {
      const { broker, topic } = log();
      const id = await broker.logId(topic);
      expect(id).not.toBe('');
      expect(await (await log().another()).logId(topic)).toBe(id);
    });

    it('tells how large a record a topic takes', async () => {
      const { broker, topic } = log();
      expect(await broker.maxMessageBytes(topic)).toBe(MAX_MESSAGE_BYTES);
    });

    it('leaves existing topics alone, and names a missing topic in its error', async () => {
      const { broker, group, topic } = log();
      const settings = { name: topic, partitions: PARTITIONS + 1, maxMessageBytes: 5 };
      await broker.ensureTopics([settings], false);
      expect(await broker.offsetRanges(topic)).toHaveLength(PARTITIONS);
      const missing = `missing-${group}`;
      const error = await broker
        .ensureTopics([{ ...settings, name: missing }], false)
        .catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(MissingTopicError);
      expect((error as Error).message).toContain(missing);
    });
  });
}
