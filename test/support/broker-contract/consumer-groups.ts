import { describe, expect, it } from 'vitest';
import type { AssignedPartition } from '../../../src/service-layer/consumer-group.ts';
import type { ReceivedRecord } from '../../../src/service-layer/records.ts';
import { eventually } from '../eventually.ts';
import { type CurrentLog, message, PARTITIONS, TAKEOVER_MS } from './log-under-test.ts';
import { Member } from './member.ts';

/** Declares what a broker promises to the members of a group. */
export function describeConsumerGroups(log: CurrentLog): void {
  describe('a consumer group', () => {
    it('gives each partition to one owner, paused until the owner resumes it', async () => {
      const { broker, topic } = log();
      await broker.publish(topic, [message('waiting', 'key')]);
      const member = new Member(null);
      await log().join(member);
      await eventually(
        () =>
          expect(member.owners.map(({ assigned }) => assigned.partition).sort()).toEqual([0, 1, 2]),
        {
          withinMs: TAKEOVER_MS,
        },
      );
      const records = await log().tail('beginning');
      await eventually(() => expect(records).toHaveLength(1));
      expect(member.values()).toEqual([]);
      for (const { assigned } of member.owners) assigned.resumeFrom(0);
      await eventually(() => expect(member.values()).toEqual(['waiting']));
    });

    it('delivers in order from the offset that an owner names, back and forth', async () => {
      const { broker, topic } = log();
      const places = await broker.publish(
        topic,
        ['a', 'b', 'c'].map((value) => message(value, 'key')),
      );
      const [{ partition, offset } = { partition: 0, offset: 0 }, second, third] = places;
      const member = new Member();
      await log().join(member);
      await eventually(() => expect(member.values()).toEqual(['a', 'b', 'c']), {
        withinMs: TAKEOVER_MS,
      });
      member.owner(partition).assigned.resumeFrom(third?.offset ?? 0);
      await eventually(() => expect(member.values().slice(3)).toEqual(['c']));
      member.owner(partition).assigned.resumeFrom(second?.offset ?? 0);
      await eventually(() => expect(member.values().slice(4)).toEqual(['b', 'c']));
      expect(offset).toBeLessThan(second?.offset ?? 0);
    });

    it('delivers nothing from a paused partition, and everything from the others', async () => {
      const { broker, topic } = log();
      const member = new Member();
      await log().join(member);
      await eventually(() => expect(member.owners).toHaveLength(PARTITIONS), {
        withinMs: TAKEOVER_MS,
      });
      const [{ partition } = { partition: 0 }] = await broker.publish(topic, [
        message('first', 'key'),
      ]);
      await eventually(() => expect(member.values()).toEqual(['first']));
      member.owner(partition).assigned.pause();
      await broker.publish(topic, [message('held back', 'key')]);
      const others = Array.from({ length: 30 }, (_, index) => message('other', `key-${index}`));
      const places = await broker.publish(topic, others);
      const free = places.filter((place) => place.partition !== partition).length;
      await eventually(() =>
        expect(member.values().filter((value) => value === 'other')).toHaveLength(free),
      );
      expect(member.values()).not.toContain('held back');
    });

    it('limits a delivery to the partition share, but delivers one record at least', async () => {
      const { broker, group, topic } = log();
      const share = 25_000;
      for (let index = 0; index < 9; index += 1) {
        const record = {
          ...message(String(index).padEnd(index === 4 ? 90_000 : 10_000, '.')),
          partition: 1,
        };
        await broker.publish(topic, [record]);
      }
      const member = new Member();
      const deliveries: number[][] = [];
      const openOwner = (partition: AssignedPartition) => {
        const owner = member.openOwner(partition);
        const handle = async (records: readonly ReceivedRecord[]) => {
          deliveries.push(records.map(({ value }) => value?.length ?? 0));
          await owner.handle(records);
        };
        return { handle, close: () => owner.close() };
      };
      await broker.consume({ topic, group, openOwner, maxFetchedBytes: 2 * PARTITIONS * share });
      const firstLetters = () => member.values().map((value) => value[0]);
      await eventually(() => expect(firstLetters()).toEqual([...'012345678']), {
        withinMs: TAKEOVER_MS,
      });
      const tooLarge = deliveries.filter(
        (sizes) => sizes.length > 1 && sizes.reduce((sum, size) => sum + size) > share + 10_000,
      );
      expect(tooLarge).toEqual([]);
    });

    it('receives every record, like every other group of the topic', async () => {
      const { broker, group, topic } = log();
      await broker.publish(topic, [message('for all')]);
      const [one, two] = [new Member(), new Member()];
      await log().join(one);
      await broker.consume({ topic, group: `${group}-other`, openOwner: two.openOwner });
      await eventually(
        () => expect([one.values(), two.values()]).toEqual([['for all'], ['for all']]),
        { withinMs: TAKEOVER_MS },
      );
    });

    it('gives the partitions of a leaving member to another member', async () => {
      const { broker, topic } = log();
      const [leaver, stayer] = [new Member(), new Member()];
      const leaving = await log().join(leaver);
      const staying = log().join(stayer, await log().another());
      await eventually(() => expect(leaver.owners.length).toBeGreaterThan(0), {
        withinMs: TAKEOVER_MS,
      });
      await leaving.close();
      expect(leaver.owners.every(({ isClosed }) => isClosed)).toBe(true);
      await staying;
      await eventually(() => [0, 1, 2].map((partition) => stayer.owner(partition)), {
        withinMs: TAKEOVER_MS,
      });
      await broker.publish(topic, [message('after')]);
      await eventually(() => expect(stayer.values()).toEqual(['after']));
      expect(leaver.values()).toEqual([]);
    });
  });
}
