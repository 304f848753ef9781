// @module-tag db

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EmbeddedBroker } from '../../../src/adapters/broker/embedded/broker.ts';
import { Database } from '../../../src/adapters/database/database.ts';
import { bytesOf } from '../../../src/adapters/record-bytes.ts';
import type { AssignedPartition } from '../../../src/service-layer/consumer-group.ts';
import type { LogRecord, ReceivedRecord } from '../../../src/service-layer/records.ts';
import { eventually } from '../../support/eventually.ts';

const TOPIC = 'records';
const MAX_MESSAGE_BYTES = 1_000;
/** The most records that one batch row holds (append.ts). */
const BATCH = 1_000;

describe('The embedded log', () => {
  let database: Database;
  let broker: EmbeddedBroker;

  beforeEach(async () => {
    database = await Database.open('sqlite:///:memory:');
    await database.runMigrations();
    broker = new EmbeddedBroker(database);
    await broker.ensureTopics(
      [{ name: TOPIC, partitions: 1, maxMessageBytes: MAX_MESSAGE_BYTES }],
      true,
    );
  });

  afterEach(async () => {
    await broker.close();
    await database.close();
  });

  const message = (value: string): LogRecord => ({ key: null, value, headers: {} });
  const publish = (...values: string[]) => broker.publish(TOPIC, values.map(message));
  const numbers = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, index) => `${from + index}`);
  const textOf = ({ value }: Pick<ReceivedRecord, 'value'>) => String(value);
  const read = async (beginning: number, end: number) => {
    const records: ReceivedRecord[] = [];
    const ends: number[] = [];
    await broker.read(TOPIC, [{ partition: 0, beginning, end }], async (chunk) => {
      records.push(...chunk.records);
      ends.push(chunk.nextOffset);
    });
    expect(ends.at(-1)).toBe(end);
    expect(records.map(({ offset }) => `${offset}`)).toEqual(records.map(textOf));
    return records.map(textOf);
  };
  /**
   * Starts a consumer of one partition at an offset.
   * @returns the values of each delivery, and the partition
   */
  const consume = async (offset: number) => {
    const deliveries: string[][] = [];
    let partition: AssignedPartition | undefined;
    await broker.consume({
      topic: TOPIC,
      group: 'group',
      openOwner: (assigned) => {
        partition = assigned;
        assigned.resumeFrom(offset);
        return {
          handle: async (records) => void deliveries.push(records.map(textOf)),
          close: async () => {},
        };
      },
    });
    await eventually(() => expect(partition).toBeDefined());
    return { deliveries, partition: partition as unknown as AssignedPartition };
  };

  it.each([
    [0, 1],
    [BATCH - 1, BATCH],
    [BATCH, BATCH + 1],
    [BATCH - 1, BATCH + 1],
    [2 * BATCH, 2 * BATCH + 1],
    [0, 2 * BATCH + 1],
  ])('reads exactly the records from offset %i up to %i', async (beginning, end) => {
    const places = await publish(...numbers(0, 2 * BATCH + 1));
    expect(places.map(({ offset }) => offset)).toEqual(numbers(0, 2 * BATCH + 1).map(Number));
    expect(await read(beginning, end)).toEqual(numbers(beginning, end));
  });

  it('gives the first record of the next append the offset after the last record', async () => {
    await publish(...numbers(0, BATCH));
    expect(await publish(`${BATCH}`)).toEqual([{ partition: 0, offset: BATCH }]);
    expect(await broker.offsetRanges(TOPIC)).toEqual([
      { partition: 0, beginning: 0, end: BATCH + 1 },
    ]);
    expect(await read(BATCH - 1, BATCH + 1)).toEqual(numbers(BATCH - 1, BATCH + 1));
  });

  it('delivers a record once when the record arrives right after a delivery', async () => {
    const { deliveries } = await consume(0);
    for (const value of numbers(0, 4)) {
      await publish(value);
      await eventually(() => expect(deliveries.at(-1)).toEqual([value]));
    }
    expect(deliveries).toEqual([['0'], ['1'], ['2'], ['3']]);
  });

  it('delivers from exactly the offset at which a partition is resumed', async () => {
    await publish(...numbers(0, 3));
    const { deliveries, partition } = await consume(2);
    await eventually(() => expect(deliveries).toEqual([['2']]));
    partition.resumeFrom(1);
    await eventually(() => expect(deliveries).toEqual([['2'], ['1', '2']]));
    partition.resumeFrom(3);
    await publish('3');
    await eventually(() => expect(deliveries).toEqual([['2'], ['1', '2'], ['3']]));
  });

  it('hands each later record once to a tail that begins at the end', async () => {
    await publish(...numbers(0, 2));
    const seen: string[] = [];
    await broker.tail(TOPIC, 'end', (record) => seen.push(textOf(record)));
    for (const value of numbers(2, 5)) {
      await publish(value);
      await eventually(() => expect(seen.at(-1)).toBe(value));
    }
    expect(seen).toEqual(numbers(2, 5));
  });

  it('accepts a message of the largest size, and refuses one that is a byte larger', async () => {
    const room = MAX_MESSAGE_BYTES - bytesOf(message(''));
    await publish('x'.repeat(room));
    await expect(publish('x'.repeat(room + 1))).rejects.toThrow(
      `A message of ${MAX_MESSAGE_BYTES + 1} bytes is too large`,
    );
    expect(await broker.offsetRanges(TOPIC)).toMatchObject([{ end: 1 }]);
  });
});
