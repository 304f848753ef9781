// @module-tag db

import { expect, test } from 'vitest';
import { encodeDeadLetter } from '../../../src/dead-letters/encode-dead-letter.ts';
import { completeParked, readParkedCommands } from '../../../src/replay/parked-commands.ts';
import type { Broker } from '../../../src/service-layer/broker.ts';
import type { ReceivedRecord } from '../../../src/service-layer/records.ts';
import { allocateOrder, createBatch, handleIn } from '../../support/commands.ts';
import { describeOnEachDatabase } from '../../support/databases.ts';

const MAX_BYTES = 9_000;
const TOPICS = { deadLettersTopic: 'dead', commandsTopic: 'commands', positions: [] };
const { signal } = new AbortController();
const MANY = Array.from({ length: 1_000 }, (_, index) => `name-${index}`);

describeOnEachDatabase('A rebuild from dead letters that lack room for all products', (current) => {
  interface Parked {
    readonly id: string;
    readonly data: object;
    readonly skus: readonly string[];
    readonly behind?: readonly string[];
  }

  /** Makes a broker whose dead letters topic holds these commands, parked in this order. */
  function brokerOf(parked: readonly Parked[]): Broker {
    const records = parked.map(({ id, data, skus, behind = [] }, offset): ReceivedRecord => {
      const original = {
        topic: 'commands',
        partition: 0,
        offset,
        key: null,
        value: Buffer.from(JSON.stringify({ id, ...data })),
        headers: {},
      };
      const reason = behind.length > 0 ? ('parked-behind' as const) : ('handler-failed' as const);
      const why = {
        reason,
        message: 'm',
        attempts: 1,
        failedAt: `2026-11-27T00:00:0${offset}Z`,
        parked: { id, skus, behind, position: offset },
      };
      const letter = encodeDeadLetter(original, why, MAX_BYTES);
      return {
        topic: 'dead',
        partition: 0,
        offset,
        timestampMs: 0,
        key: letter.key,
        value: letter.value as Buffer | null,
        headers: letter.headers,
      };
    });
    const broker: Pick<Broker, 'offsetRanges' | 'read'> = {
      offsetRanges: async () => [{ partition: 0, beginning: 0, end: records.length }],
      read: async (_topic, _ranges, take) =>
        void (await take({ partition: 0, records, nextOffset: records.length })),
    };
    return broker as Broker;
  }

  async function rebuilt(parked: readonly Parked[]) {
    const letters = await readParkedCommands(brokerOf(parked), TOPICS, signal);
    const database = await current.database();
    return database.transaction((sql) => completeParked(sql, database.dialect, letters));
  }

  test('finds products in the rebuilt stock, and earlier commands in other letters', async () => {
    const database = await current.database();
    await handleIn(
      database,
      createBatch('b', 'LAMP', 10),
      createBatch('c', 'SOFA', 10),
      allocateOrder('o', 'LAMP'),
      allocateOrder('o', 'SOFA'),
    );
    const parked = await rebuilt([
      {
        id: 'failed',
        data: { type: 'AllocateOrder', orderid: 'p', sku: 'LAMP', qty: 1 },
        skus: ['LAMP'],
      },
      {
        id: 'other',
        data: { type: 'AllocateOrder', orderid: 'q', sku: 'DESK', qty: 1 },
        skus: ['DESK'],
      },
      { id: 'cut', data: { type: 'DeallocateOrder', orderid: 'o' }, skus: MANY, behind: MANY },
      {
        id: 'products',
        data: { type: 'ChangeBatchQuantity', reference: 'c', quantity: 1 },
        skus: MANY,
        behind: ['cut'],
      },
    ]);
    const [, , cut, products] = parked.map((each) => ({
      ...each,
      subjects: each.subjects.toSorted(),
    }));
    expect(cut).toMatchObject({
      id: 'cut',
      subjects: ['order:o', 'sku:LAMP', 'sku:SOFA'],
      behind: ['failed'],
    });
    expect(products).toMatchObject({
      id: 'products',
      subjects: ['batch:c', 'sku:SOFA'],
      behind: ['cut'],
    });
  });

  test('is refused with the places when a letter lacks its command too', async () => {
    const data = { type: 'DeallocateOrder', orderid: 'o', padding: 'x'.repeat(MAX_BYTES) };
    await expect(rebuilt([{ id: 'cut', data, skus: MANY, behind: MANY }])).rejects.toThrow(
      /dead\/0\/0.*commands\/0\/0.*discard/,
    );
  });
});
