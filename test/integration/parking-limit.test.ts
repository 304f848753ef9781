// @module-tag db

import { expect, test } from 'vitest';
import { releaseParked } from '../../src/adapters/database/lanes/parked-release.ts';
import type { HandlerFailure } from '../../src/entrypoints/answer-context.ts';
import { ParkingFullError } from '../../src/service-layer/parking.ts';
import { quietAnswerContext } from '../support/commands.ts';
import { describeOnEachDatabase } from '../support/databases.ts';
import { answerInLane, outcomesOf } from '../support/lane-transaction.ts';

const FAILURE = { message: 'the handler has a bug', attempts: 4 };

describeOnEachDatabase('When parking is full', (current) => {
  const answerContext = { ...quietAnswerContext(), parkingLimits: { ofProduct: 10, inAll: 2 } };

  async function answer(
    id: string,
    sku: string,
    failure: HandlerFailure | null = null,
  ): Promise<readonly string[]> {
    const body = { id, type: 'AllocateOrder', orderid: id, sku, qty: 1 };
    const database = await current.database();
    return outcomesOf(await answerInLane(database, answerContext, { body }, { failure }));
  }

  async function fill(): Promise<void> {
    expect(await answer('failed', 'LAMP', FAILURE)).toEqual(['handler-failed']);
    expect(await answer('behind', 'LAMP')).toEqual(['parked-behind']);
  }

  test('a command that fails or must be parked waits in its lane', async () => {
    await fill();
    await expect(answer('next', 'LAMP')).rejects.toThrow(ParkingFullError);
    await expect(answer('next', 'SOFA', FAILURE)).rejects.toThrow(ParkingFullError);
    const database = await current.database();
    expect(await database.query('select id from parked_commands order by position')).toEqual([
      { id: 'failed' },
      { id: 'behind' },
    ]);
    expect(await database.query('select id from processed_commands')).toEqual([]);
  });

  test('a command about another product is answered', async () => {
    await fill();
    expect(await answer('next', 'SOFA')).toEqual(['events']);
  });

  test('one more command can be parked after one is discarded or redriven', async () => {
    await fill();
    const database = await current.database();
    await releaseParked(database, { redriven: [], discarded: ['behind'], replaced: null });
    expect(await answer('other', 'SOFA', FAILURE)).toEqual(['handler-failed']);
    await expect(answer('next', 'DESK', FAILURE)).rejects.toThrow(ParkingFullError);
    await releaseParked(database, { redriven: ['failed'], discarded: [], replaced: null });
    expect(await answer('next', 'DESK', FAILURE)).toEqual(['handler-failed']);
    expect(await answer('failed', 'LAMP')).toEqual(['events']);
  });
});
