// @module-tag db

import { expect, test } from 'vitest';
import { SqlLaneStore } from '../../src/adapters/database/lanes/sql-lane-store.ts';
import { answerDelivery } from '../../src/entrypoints/answer-delivery.ts';
import type { HandlerFailure } from '../../src/entrypoints/answering.ts';
import { readRecords } from '../../src/entrypoints/read-delivery.ts';
import { quietAnswering } from '../support/commands.ts';
import { describeOnEachDatabase } from '../support/databases.ts';

const START = { nextOffset: 0, nextSequence: 1 };
const FAILURE = { message: 'the handler has a bug', attempts: 4 };

describeOnEachDatabase('A command that two lanes received', (current) => {
  const answering = quietAnswering();
  const value = Buffer.from(
    JSON.stringify({
      id: 'twice',
      type: 'CreateBatch',
      reference: 'b',
      sku: 'LAMP',
      quantity: 1,
      eta: null,
    }),
  );

  async function answerIn(partition: number, failure: HandlerFailure | null) {
    const lane = { topic: 'commands', partition };
    const records = await readRecords([
      { ...lane, offset: 0, timestampMs: 0, key: null, value, headers: {} },
    ]);
    const part = {
      lane,
      records,
      position: START,
      publishedBelowOffset: 0,
      deadLetterMaxBytes: 1_000_000,
      eventMaxBytes: 1_000_000,
      failure,
      settledBelowOffset: Number.POSITIVE_INFINITY,
    };
    const store = new SqlLaneStore(await current.database(), () => {});
    const { outbox } = await store.transaction(lane, START, (transaction) =>
      answerDelivery(part, transaction, answering),
    );
    return outbox.map(({ topic }) => topic);
  }

  // A redrive of the parked command would answer the command a second time.
  test('is not parked after a failure in one lane if the other lane answered it', async () => {
    expect(await answerIn(0, null)).toEqual(['events']);
    expect(await answerIn(1, FAILURE)).toEqual([]);
    const database = await current.database();
    expect(await database.query('select id from parked_commands')).toEqual([]);
    expect(await database.query('select id from processed_commands')).toEqual([{ id: 'twice' }]);
  });

  test('is parked once when its handler fails in both lanes', async () => {
    expect(await answerIn(0, FAILURE)).toEqual(['dead-letters']);
    expect(await answerIn(1, FAILURE)).toEqual(['dead-letters']);
    expect(
      await (await current.database()).query('select id, position from parked_commands'),
    ).toEqual([{ id: 'twice', position: 1 }]);
  });
});
