import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Broker, OffsetRange, ReadChunk } from '../../src/service-layer/broker.ts';
import type { AssignedPartition, PartitionOwner } from '../../src/service-layer/consumer-group.ts';
import { FencedError, MissingTopicError } from '../../src/service-layer/errors.ts';
import type { LogRecord, ReceivedRecord } from '../../src/service-layer/records.ts';
import { eventually } from './eventually.ts';

const PARTITIONS = 3;
const MAX_MESSAGE_BYTES = 100_000;
/** A group may need this long to notice that a member is gone. */
const TAKEOVER_MS = 25_000;

/**
 * An owner that takes every record, from an offset that the test chooses. Null: the partition stays
 * paused.
 */
class Owner implements PartitionOwner {
  readonly assigned: AssignedPartition;
  readonly received: ReceivedRecord[] = [];
  closed = false;

  constructor(assigned: AssignedPartition, fromOffset: number | null) {
    this.assigned = assigned;
    if (fromOffset !== null) assigned.resumeFrom(fromOffset);
  }

  async handle(records: readonly ReceivedRecord[]): Promise<void> {
    this.received.push(...records);
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

class Member {
  readonly owners: Owner[] = [];
  readonly #fromOffset: number | null;

  constructor(fromOffset: number | null = 0) {
    this.#fromOffset = fromOffset;
  }

  readonly assigned = (partition: AssignedPartition): Owner => {
    const owner = new Owner(partition, this.#fromOffset);
    this.owners.push(owner);
    return owner;
  };

  /** Returns the open owner of the partition. */
  owner(partition: number): Owner {
    const owner = this.owners.findLast(
      (each) => each.assigned.partition === partition && !each.closed,
    );
    if (!owner) throw new Error(`Partition ${partition} has no owner yet`);
    return owner;
  }

  values(): string[] {
    return this.owners.flatMap(({ received }) => received.map(({ value }) => String(value)));
  }
}

const message = (value: string, key: string | null = null): LogRecord => ({
  key,
  value,
  headers: {},
});
const texts = (records: readonly ReceivedRecord[]) => records.map(({ value }) => String(value));

/**
 * Declares the tests that every implementation of a broker must pass.
 * @param open opens another client of the same log, as another process would have it
 */
export function brokerContract(name: string, open: () => Promise<Broker>): void {
  describe(`${name} keeps the contract of a broker:`, () => {
    let brokers: Broker[];
    let broker: Broker;
    let topic: string;
    let group: string;

    const another = async () => {
      const opened = await open();
      brokers.push(opened);
      return opened;
    };
    const join = async (member: Member, through = broker) =>
      through.consume({ topic, group, assigned: member.assigned });
    const tailed = async (from: 'beginning' | 'end', through = broker) => {
      const records: ReceivedRecord[] = [];
      await through.tail(topic, from, (record) => records.push(record));
      return records;
    };

    beforeEach(async () => {
      brokers = [];
      broker = await another();
      topic = `topic-${crypto.randomUUID()}`;
      group = `group-${crypto.randomUUID()}`;
      await broker.ensureTopics(
        [{ name: topic, partitions: PARTITIONS, maxMessageBytes: MAX_MESSAGE_BYTES }],
        true,
      );
    });

    afterEach(async () => {
      await Promise.all(brokers.map((each) => each.close()));
    });

    describe('publishing', () => {
      it('returns the place of each record, in the order of the records', async () => {
        const values = Array.from({ length: 20 }, (_, index) => `value-${index}`);
        const places = await broker.publish(
          topic,
          values.map((value, index) => message(value, index % 2 ? `key-${index}` : null)),
        );
        const records = await tailed('beginning');
        await eventually(() => expect(records).toHaveLength(20));
        const found = new Map(
          records.map(({ partition, offset, value }) => [`${partition}/${offset}`, String(value)]),
        );
        expect(places.map(({ partition, offset }) => found.get(`${partition}/${offset}`))).toEqual(
          values,
        );
      });

      it('puts records of one key into one partition in order, from any client', async () => {
        const other = await another();
        for (let index = 0; index < 6; index += 1)
          await (index % 2 ? other : broker).publish(topic, [message(`${index}`, 'the key')]);
        const records = await tailed('beginning');
        await eventually(() => expect(texts(records)).toEqual(['0', '1', '2', '3', '4', '5']));
        expect(new Set(records.map(({ partition }) => partition)).size).toBe(1);
      });

      it('puts records into the partition they name, in order, despite their keys', async () => {
        const others = [broker, await another()];
        for (let index = 0; index < 12; index += 1) {
          const record = { ...message(`${index}`, `key-${index}`), partition: 2 };
          expect(await others[index % 2]?.publish(topic, [record])).toEqual([
            { partition: 2, offset: index },
          ]);
        }
        const records = await tailed('beginning');
        await eventually(() =>
          expect(texts(records)).toEqual(Array.from({ length: 12 }, (_, index) => `${index}`)),
        );
        expect(new Set(records.map(({ partition }) => partition))).toEqual(new Set([2]));
      });

      it('refuses a record for a missing partition, and takes the next record', async () => {
        await expect(
          broker.publish(topic, [{ ...message('lost'), partition: PARTITIONS }]),
        ).rejects.toThrow(RangeError);
        await broker.publish(topic, [{ ...message('found'), partition: 0 }]);
        expect(texts((await eventuallyOne(tailed('beginning'))) ?? [])).toEqual(['found']);
      });

      it('returns keys, values and headers byte for byte', async () => {
        const bytes = Buffer.from([0, 0xff, 0xfe, 0x80]);
        await broker.publish(topic, [
          { key: bytes, value: bytes, headers: { plain: 'text', raw: bytes, twice: ['a', bytes] } },
        ]);
        const [record] = await eventuallyOne(tailed('beginning'));
        expect(record).toMatchObject({
          topic,
          key: bytes,
          value: bytes,
          headers: { raw: bytes, twice: [Buffer.from('a'), bytes] },
        });
        expect(String(record?.headers.plain)).toBe('text');
      });

      it.each([
        ['a tombstone', null],
        ['an empty value', Buffer.alloc(0)],
      ])('returns %s as it was published', async (_, value) => {
        await broker.publish(topic, [{ key: 'key', value, headers: {} }]);
        const [record] = await eventuallyOne(tailed('beginning'));
        expect(record?.value).toEqual(value);
      });

      it('refuses a record larger than the topic takes, and takes the next record', async () => {
        await expect(
          broker.publish(topic, [message('x'.repeat(2 * MAX_MESSAGE_BYTES))]),
        ).rejects.toThrow(/too large/i);
        await broker.publish(topic, [message('small')]);
        const [record] = await eventuallyOne(tailed('beginning'));
        expect(String(record?.value)).toBe('small');
      });
    });

    describe('a transaction', () => {
      it('shows its records in order, and moves the committed offset of its group', async () => {
        const records = await tailed('beginning');
        const producer = await broker.openProducer(`${group}-0`);
        const outgoing = ['a', 'b', 'c'].map((value) => ({ ...message(value, 'key'), topic }));
        await producer.publish(outgoing, { group, topic, partition: 1, nextOffset: 7 });
        await eventually(() => expect(texts(records)).toEqual(['a', 'b', 'c']));
        expect(await broker.committedOffsets(group, topic)).toEqual([null, 7, null]);
        await producer.close();
      });

      it('without records moves the committed offset of its group', async () => {
        const producer = await broker.openProducer(`${group}-0`);
        await producer.publish([], { group, topic, partition: 0, nextOffset: 3 });
        expect(await broker.committedOffsets(group, topic)).toEqual([3, null, null]);
        await producer.close();
      });

      it('that fails shows no record and moves no committed offset', async () => {
        const records = await tailed('beginning');
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
        await eventually(() => expect(texts(records)).toEqual(['after']));
        expect(await broker.committedOffsets(group, topic)).toEqual([null, null, null]);
        await successor.close();
      });

      it('of a former holder of the id is refused, and none of its records is seen', async () => {
        const records = await tailed('beginning');
        const former = await broker.openProducer(`${group}-0`);
        await former.publish([{ ...message('before'), topic }], null);
        const successor = await (await another()).openProducer(`${group}-0`);
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
        await eventually(() => expect(texts(records).sort()).toEqual(['after', 'before']));
        expect((await broker.committedOffsets(group, topic))[0]).toBe(2);
        await former.close();
        await successor.close();
      });
    });

    describe('a consumer group', () => {
      it('gives each partition to one owner, paused until the owner resumes it', async () => {
        await broker.publish(topic, [message('waiting', 'key')]);
        const member = new Member(null);
        await join(member);
        await eventually(
          () =>
            expect(member.owners.map(({ assigned }) => assigned.partition).sort()).toEqual([
              0, 1, 2,
            ]),
          {
            withinMs: TAKEOVER_MS,
          },
        );
        const records = await tailed('beginning');
        await eventually(() => expect(records).toHaveLength(1));
        expect(member.values()).toEqual([]);
        for (const { assigned } of member.owners) assigned.resumeFrom(0);
        await eventually(() => expect(member.values()).toEqual(['waiting']));
      });

      it('delivers in order from the offset that an owner names, back and forth', async () => {
        const places = await broker.publish(
          topic,
          ['a', 'b', 'c'].map((value) => message(value, 'key')),
        );
        const [{ partition, offset } = { partition: 0, offset: 0 }, second, third] = places;
        const member = new Member();
        await join(member);
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
        const member = new Member();
        await join(member);
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
        const assigned = (partition: AssignedPartition) => {
          const owner = member.assigned(partition);
          const handle = async (records: readonly ReceivedRecord[]) => {
            deliveries.push(records.map(({ value }) => value?.length ?? 0));
            await owner.handle(records);
          };
          return { handle, close: () => owner.close() };
        };
        await broker.consume({ topic, group, assigned, maxFetchedBytes: 2 * PARTITIONS * share });
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
        await broker.publish(topic, [message('for all')]);
        const [one, two] = [new Member(), new Member()];
        await join(one);
        await broker.consume({ topic, group: `${group}-other`, assigned: two.assigned });
        await eventually(
          () => expect([one.values(), two.values()]).toEqual([['for all'], ['for all']]),
          { withinMs: TAKEOVER_MS },
        );
      });

      it('gives the partitions of a leaving member to another member', async () => {
        const [leaver, stayer] = [new Member(), new Member()];
        const leaving = await join(leaver);
        const staying = join(stayer, await another());
        await eventually(() => expect(leaver.owners.length).toBeGreaterThan(0), {
          withinMs: TAKEOVER_MS,
        });
        await leaving.close();
        expect(leaver.owners.every(({ closed }) => closed)).toBe(true);
        await staying;
        await eventually(() => [0, 1, 2].map((partition) => stayer.owner(partition)), {
          withinMs: TAKEOVER_MS,
        });
        await broker.publish(topic, [message('after')]);
        await eventually(() => expect(stayer.values()).toEqual(['after']));
        expect(leaver.values()).toEqual([]);
      });
    });

    describe('a tail', () => {
      it('from the end delivers every record that is published once it is open', async () => {
        await broker.publish(topic, [message('before')]);
        const records = await tailed('end');
        await (await another()).publish(topic, [message('after', 'a'), message('after', 'b')]);
        await eventually(() => expect(texts(records)).toEqual(['after', 'after']));
      });

      it('delivers nothing once it is closed', async () => {
        const records: ReceivedRecord[] = [];
        const tail = await broker.tail(topic, 'end', (record) => records.push(record));
        await tail.close();
        await broker.publish(topic, [message('unseen')]);
        const others = await tailed('beginning');
        await eventually(() => expect(others).toHaveLength(1));
        expect(records).toEqual([]);
      });
    });

    describe('reading ranges', () => {
      const deliveredOf = async (ranges: readonly OffsetRange[], through = broker) => {
        const deliveries: ReadChunk[] = [];
        await through.read(topic, ranges, async (delivery) => void deliveries.push(delivery));
        return deliveries;
      };
      const recordsOf = (deliveries: readonly ReadChunk[]) =>
        deliveries.flatMap(({ records }) => records);
      /** Publishes the values with one key, and returns the whole range of their partition. */
      const rangeOf = async (...values: string[]): Promise<OffsetRange> => {
        const [place] = await broker.publish(
          topic,
          values.map((value) => message(value, 'key')),
        );
        return (await broker.offsetRanges(topic))[place?.partition ?? 0] as OffsetRange;
      };

      it('delivers each partition up to its end in order, from all writers', async () => {
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
        const deliveries = await deliveredOf(ranges, await another());
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
        const { partition, beginning } = await rangeOf('a', 'b', 'c', 'd', 'e');
        const deliveries = await deliveredOf([
          { partition, beginning: beginning + 1, end: beginning + 4 },
        ]);
        expect(texts(recordsOf(deliveries))).toEqual(['b', 'c', 'd']);
        expect(deliveries.at(-1)?.nextOffset).toBe(beginning + 4);
      });

      it('returns keys, values and headers byte for byte', async () => {
        const bytes = Buffer.from([0, 0xff, 0xfe, 0x80]);
        await broker.publish(topic, [
          { key: bytes, value: bytes, headers: { raw: bytes, twice: ['a', bytes] } },
        ]);
        const [record] = recordsOf(await deliveredOf(await broker.offsetRanges(topic)));
        expect(record).toMatchObject({
          topic,
          key: bytes,
          value: bytes,
          headers: { raw: bytes, twice: [Buffer.from('a'), bytes] },
        });
      });

      it('splits a long range into adjoining deliveries, taken one at a time', async () => {
        for (let part = 0; part < 20; part += 1) await rangeOf('x'.repeat(90_000));
        const { partition, beginning, end } = await rangeOf('the last');
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
        const range = await rangeOf('a');
        const other = await rangeOf('b');
        const fault = new Error('cannot take it');
        let taken = 0;
        const reading = broker.read(
          topic,
          [range, { ...other, beginning: range.end }],
          async () => {
            taken += 1;
            throw fault;
          },
        );
        await expect(reading).rejects.toBe(fault);
        expect(taken).toBe(1);
      });

      it('rejects with the reason of an aborted signal once `take` has finished', async () => {
        const range = await rangeOf('a');
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
        const { partition, end } = await rangeOf('a');
        expect(await deliveredOf([])).toEqual([]);
        expect(await deliveredOf([{ partition, beginning: end, end }])).toEqual([]);
      });
    });

    describe('asked about itself', () => {
      it('tells how far a group lags behind the end', async () => {
        const places = await broker.publish(
          topic,
          ['a', 'b', 'c'].map((value) => message(value, 'key')),
        );
        const [{ partition, offset } = { partition: 0, offset: 0 }] = places;
        const producer = await broker.openProducer(`${group}-${partition}`);
        await producer.publish([], { group, topic, partition, nextOffset: offset + 1 });
        await producer.close();
        const range = (await broker.offsetRanges(topic)).find(
          (each) => each.partition === partition,
        );
        expect(
          (range?.end ?? 0) - ((await broker.committedOffsets(group, topic))[partition] ?? 0),
        ).toBe(2);
        expect(range?.beginning).toBe(0);
      });

      it('tells every client the same identity of the log', async () => {
        const id = await broker.logId(topic);
        expect(id).not.toBe('');
        expect(await (await another()).logId(topic)).toBe(id);
      });

      it('tells how large a record a topic takes', async () => {
        expect(await broker.maxMessageBytes(topic)).toBe(MAX_MESSAGE_BYTES);
      });

      it('leaves existing topics alone, and names a missing topic in its error', async () => {
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
  });
}

async function eventuallyOne(tailing: Promise<ReceivedRecord[]>): Promise<ReceivedRecord[]> {
  const records = await tailing;
  await eventually(() => expect(records).toHaveLength(1));
  return records;
}
