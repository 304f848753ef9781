// @module-tag db

import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { Database } from '../../src/adapters/database/database.ts';
import type { HandlerFailure } from '../../src/entrypoints/answer-context.ts';
import { quietAnswerContext } from '../support/commands.ts';
import { postgresDatabase } from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';
import { answerInLane, outcomesOf } from '../support/lane-transaction.ts';

const FAILURE = { message: 'the handler has a bug', attempts: 4 };

/** SQLite has only one writer, so that two lanes never work at once on SQLite. */
describe.skipIf(inject('postgresUrl') === null)('Two lanes that work at once on PostgreSQL', () => {
  let place: Awaited<ReturnType<typeof postgresDatabase>>;
  let database: Database;

  beforeEach(async () => {
    place = await postgresDatabase();
    database = await Database.open(place.url);
    await database.runMigrations();
  });

  afterEach(async () => {
    await database.close();
    await place.remove();
  });

  const answerContext = quietAnswerContext();

  /**
   * Answers one command in a transaction that commits when `beforeCommit` resolves.
   * @returns the topic of each answer, or the reason of a dead letter
   */
  async function answer(
    partition: number,
    body: { readonly id: string },
    circumstances: { failure?: HandlerFailure; beforeCommit?: () => Promise<void> } = {},
  ): Promise<readonly string[]> {
    const message = { partition, body };
    return outcomesOf(await answerInLane(database, answerContext, message, circumstances));
  }

  async function waitForLock(): Promise<void> {
    const waiting =
      'select pid from pg_stat_activity where datname = current_database() ' +
      "and wait_event_type = 'Lock'";
    await eventually(async () => expect(await database.query(waiting)).toHaveLength(1));
  }

  /**
   * Answers the failed command again in one lane while another lane comes to `next`.
   * @returns the answers to `next`
   */
  async function answerBoth(
    failed: { readonly id: string },
    next: { readonly id: string },
  ): Promise<readonly string[]> {
    const isWritten = Promise.withResolvers<void>();
    const mayCommit = Promise.withResolvers<void>();
    const beforeCommit = () => {
      isWritten.resolve();
      return mayCommit.promise;
    };
    const first = answer(0, failed, { beforeCommit });
    await isWritten.promise;
    const second = answer(1, next);
    await waitForLock().finally(mayCommit.resolve);
    expect(await first).toEqual(['events']);
    return second;
  }

  const create = {
    id: 'creation',
    type: 'CreateBatch',
    reference: 'b',
    sku: 'LAMP',
    quantity: 10,
    eta: null,
  };
  const order = (id: string) => ({ id, type: 'AllocateOrder', orderid: id, sku: 'LAMP', qty: 1 });
  const parkedIds = async () =>
    (await database.query<{ id: string }>('select id from parked_commands')).map(({ id }) => id);

  test('park nothing behind a failed command that the other lane answers meanwhile', async () => {
    await answer(0, create);
    expect(await answer(0, order('failed'), { failure: FAILURE })).toEqual(['handler-failed']);
    expect(await answerBoth(order('failed'), order('next'))).toEqual(['events']);
    expect(await parkedIds()).toEqual([]);
  });

  test('reject no product as unknown that the other lane creates meanwhile', async () => {
    expect(await answer(0, create, { failure: FAILURE })).toEqual(['handler-failed']);
    expect(await answerBoth(create, order('next'))).toEqual(['events']);
    expect(await parkedIds()).toEqual([]);
    expect(await database.query('select orderid from order_lines')).toEqual([{ orderid: 'next' }]);
  });
});
