// @module-tag db

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CommandDifference } from '../../../../src/replay/what-if-report.ts';
import { anyCommand, meetingCommands } from '../../../support/arbitrary-commands.ts';
import { eventually } from '../../../support/eventually.ts';
import { RunningService } from '../../../support/running-service.ts';
import { askWhatIf } from '../../../support/what-if.ts';

/**
 * Only a clock places a command that was answered with nothing: a batch that is created again. If
 * another lane changed the batch's quantity at about that time, the turn of the two is unknown.
 */
function hasCertainTurn({ placedBy, published }: CommandDifference): boolean {
  return placedBy === 'sequence' || published !== 'nothing';
}

describe('The outcome of a what-if', () => {
  it('is the same for random commands in several lanes', async () => {
    await using running = await RunningService.start({ KAFKA_BROKERS: '', TOPIC_PARTITIONS: '4' });
    const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
    const keyed = fc
      .tuple(
        meetingCommands,
        fc.array(anyCommand, { minLength: 25, maxLength: 45 }),
        fc.infiniteStream(key),
      )
      .map(([meeting, any, keys]) =>
        [...meeting, ...any].map((command) => ({ command, key: keys.next().value })),
      );
    let round = 0;
    await fc.assert(
      fc.asyncProperty(keyed, async (commands) => {
        round += 1;
        const records = commands.map(({ command, key }) => ({
          key,
          value: JSON.stringify(command),
          headers: {},
        }));
        await running.send(...records.slice(0, 20));
        await running.send(...records.slice(20));
        await running.idle();
        for (const from of [null, { offset: round * 5 }]) {
          const { differences, outOfTurn } = await askWhatIf(running, { from });
          expect({ round, from, differences: differences.filter(hasCertainTurn) }).toEqual({
            round,
            from,
            differences: [],
          });
          expect({ round, from, ...outOfTurn }).toMatchObject({ round, from, count: 0 });
        }
      }),
      { numRuns: 8 },
    );
  }, 180_000);

  it('follows the sequences when the clocks run backwards', async () => {
    let ticks = 0;
    const backwards = { clock: () => new Date(Date.UTC(2027, 0) - 1_000 * ticks++) };
    await using running = await RunningService.start(
      { KAFKA_BROKERS: '', TOPIC_PARTITIONS: '4' },
      backwards,
    );
    const keyed = (key: number, command: object) => ({
      key: `key-${key % 7}`,
      value: JSON.stringify(command),
      headers: {},
    });
    const lines = ['LAMP', 'SOFA', 'DESK'].map((sku) => ({ sku, qty: 1 }));
    for (const [index, { sku }] of lines.entries()) {
      for (const key of [index, index + 3]) {
        await running.send(
          keyed(key, { type: 'CreateBatch', reference: `b-${sku}`, sku, quantity: 9 }),
        );
        await running.idle();
      }
    }
    for (let round = 0; round < 6; round += 1) {
      const orders = lines.map((line, index) =>
        keyed(round + index, {
          type: 'AllocateOrder',
          orderid: `o${round}-${index}`,
          lines: index === 0 ? lines : [line],
        }),
      );
      await running.send(
        ...orders,
        keyed(3 * round, {
          type: 'ChangeBatchQuantity',
          reference: 'b-LAMP',
          quantity: 3 + (round % 3),
        }),
      );
      await running.idle();
    }
    expect(await askWhatIf(running)).toMatchObject({
      handled: 30,
      differences: [],
      outOfTurn: { count: 0 },
    });
  });

  it('is put together when an answer was split', async () => {
    await using running = await RunningService.start({ KAFKA_BROKERS: '', TOPIC_PARTITIONS: '2' });
    const orders = Array.from({ length: 1_500 }, (_, index) => ({
      type: 'AllocateOrder',
      orderid: `o${index}`,
      sku: 'LAMP',
      qty: 1,
    }));
    await running.send({ type: 'CreateBatch', reference: 'lamp-1', sku: 'LAMP', quantity: 1_500 });
    await running.idle();
    await running.send(...orders);
    await running.idle();
    await running.send({ type: 'ChangeBatchQuantity', reference: 'lamp-1', quantity: 0 });
    await running.idle();
    await eventually(() =>
      expect(
        running.events.filter(({ headers }) => String(headers.ce_id).endsWith('.2')),
      ).toHaveLength(1),
    );
    expect(await askWhatIf(running)).toMatchObject({
      same: 1_502,
      different: {},
      outOfTurn: { count: 0 },
    });
  });
});
