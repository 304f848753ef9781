// @module-tag db

import { expect, test } from 'vitest';
import type { HandlerFailure } from '../../src/entrypoints/answer-context.ts';
import { quietAnswerContext } from '../support/commands.ts';
import { describeOnEachDatabase } from '../support/databases.ts';
import { answerInLane } from '../support/lane-transaction.ts';

const FAILURE = { message: 'the handler has a bug', attempts: 4 };

describeOnEachDatabase('A command that two lanes received', (current) => {
  const answerContext = quietAnswerContext();
  const body = {
    id: 'twice',
    type: 'CreateBatch',
    reference: 'b',
    sku: 'LAMP',
    quantity: 1,
    eta: null,
  };

  async function answerIn(partition: number, failure: HandlerFailure | null) {
    const database = await current.database();
    const answers = await answerInLane(database, answerContext, { partition, body }, { failure });
    return answers.map(({ topic }) => topic);
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
