// @module-tag db

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Broker } from '../../src/service-layer/broker.ts';
import type { LaneStore } from '../../src/service-layer/lane-store.ts';
import { eventually } from '../support/eventually.ts';
import { LaneRun } from '../support/lane-run.ts';
import { over } from '../support/over.ts';

describe('A lane', () => {
  let run: LaneRun;
  let broker: Broker;
  let store: LaneStore;

  beforeEach(async () => {
    run = await LaneRun.open();
    ({ broker, store } = run);
  });

  afterEach(() => run.close());

  describe('that would reject a command as unknown', () => {
    const topic = 'pairs';
    let release: PromiseWithResolvers<void>;
    let transactions: number[];
    /** Returns the promise that each transaction of a lane waits for first. */
    let gate: (partition: number) => Promise<void>;

    /** Sends commands in this order, each to its partition. */
    const sendTo = (...commands: (readonly [partition: number, command: object])[]) =>
      broker.publish(
        topic,
        commands.map(([partition, command]) => ({
          partition,
          key: null,
          value: JSON.stringify(command),
          headers: {},
        })),
      );
    const batch = (reference: string) => ({
      id: reference,
      type: 'CreateBatch',
      reference,
      sku: reference,
      quantity: 5,
    });
    const change = (reference: string) => ({
      id: `change-${reference}`,
      type: 'ChangeBatchQuantity',
      reference,
      quantity: 7,
    });
    const types = () => run.events.map(({ headers }) => String(headers.ce_type));

    /** Makes the lane of partition 1 decide nothing until `release` resolves. */
    beforeEach(async () => {
      await broker.ensureTopics([{ name: topic, partitions: 2, maxMessageBytes: 1_000_000 }], true);
      transactions = [];
      release = Promise.withResolvers();
      const slowStore = over(store, {
        transaction: async (lane, ...rest) => {
          transactions.push(lane.partition);
          await gate(lane.partition);
          return store.transaction(lane, ...rest);
        },
      });
      gate = async (partition) => {
        if (partition === 1) await release.promise;
      };
      await run.start({ broker, store: slowStore }, topic);
    });

    it('answers the commands before it, then waits for earlier ones of another lane', async () => {
      await sendTo([1, batch('other')]);
      await sendTo([0, batch('own')], [0, change('other')], [0, batch('later')]);
      await eventually(async () => expect((await store.readPositions(topic)).get(0)).toBe(1));
      await eventually(async () => {
        const waiting = (await store.readStandings(topic)).find(({ partition }) => partition === 0);
        expect(waiting).toMatchObject({ nextOffset: 1, nextTimestampMs: expect.any(Number) });
      });
      await eventually(() => expect(types()).toEqual(['BatchCreated']));
      release.resolve();
      await eventually(() =>
        expect(types().sort()).toEqual([
          'BatchCreated',
          'BatchCreated',
          'BatchCreated',
          'BatchQuantityChanged',
        ]),
      );
    });

    it('rejects it in one more transaction once the other lanes have decided', async () => {
      await sendTo([0, batch('own')]);
      await eventually(() => expect(types()).toEqual(['BatchCreated']));
      expect(transactions).toEqual([0]);
      await sendTo([0, change('nothing')]);
      await eventually(() => expect(types()).toEqual(['BatchCreated', 'CommandRejected']));
      expect(transactions).toEqual([0, 0, 0]);
    });

    it('waits anew for a later command when the delivery is cut up', async () => {
      gate = async (partition) => {
        await release.promise;
        // The batch keeps the lane busy until all commands are sent. The other two come together.
        if (partition === 0 && transactions.filter((each) => each === 0).length === 2)
          throw new Error('A handler has a bug');
      };
      const late = { orderid: 'late', sku: 'own' };
      for (const command of [
        [0, batch('own')],
        [0, change('first')],
        [1, change('second')],
        [1, { id: 'allocate', type: 'AllocateOrder', qty: 1, ...late }],
        [0, { id: 'let-go', type: 'DeallocateOrder', ...late }],
      ] as const) {
        const beganMs = Date.now();
        await expect.poll(() => Date.now()).toBeGreaterThan(beganMs);
        await sendTo(command);
      }
      await eventually(() => expect(transactions).toContain(0));
      release.resolve();
      await eventually(() => expect(run.events).toHaveLength(5), { withinMs: 10_000 });
      expect(types()).toContain('Deallocated');
    });

    it('closes while it waits for another lane', async () => {
      await sendTo([1, batch('other')]);
      await sendTo([0, change('other')]);
      await eventually(() => expect(transactions).toContain(0));
      release.resolve();
      await run.consumer.close();
      expect(types()).not.toContain('CommandRejected');
    });
  });
});
