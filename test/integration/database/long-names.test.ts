// @module-tag db

import { expect, test } from 'vitest';
import { releaseParked } from '../../../src/adapters/database/lanes/parked-release.ts';
import type { HandlerFailure } from '../../../src/entrypoints/answer-context.ts';
import { quietAnswerContext } from '../../support/commands.ts';
import { describeOnEachDatabase } from '../../support/databases.ts';
import { answerInLane } from '../../support/lane-transaction.ts';

const FAILURE = { message: 'the handler has a bug', attempts: 4 };
const MAX_CHARACTERS = 255;
/** The characters of the names have four bytes each. Their order leaves little to compress. */
const FIRST_CHARACTER = 0x20000;
const CHARACTERS = 42_000;

describeOnEachDatabase('Names of 255 characters of four bytes each', (current) => {
  let seed = 1;
  const name = () =>
    Array.from({ length: MAX_CHARACTERS }, () => {
      seed = (seed * 48_271) % 2_147_483_647;
      return String.fromCodePoint(FIRST_CHARACTER + (seed % CHARACTERS));
    }).join('');
  interface Sent {
    readonly id: string;
    readonly source: string;
    readonly data: object;
  }

  const sent = (type: string, data: object): Sent => ({
    id: name(),
    source: name(),
    data: { type, ...data },
  });

  /**
   * Handles one command in a transaction of its own.
   * @returns the topic of each answer, with its type or the reason of the dead letter
   */
  async function handle(
    { id, source, data }: Sent,
    failure: HandlerFailure | null = null,
  ): Promise<readonly string[]> {
    const { type, ...body } = data as { readonly type: string };
    const headers = { ce_specversion: '1.0', ce_id: id, ce_source: source, ce_type: type };
    const database = await current.database();
    const message = { body, headers };
    const outbox = await answerInLane(database, quietAnswerContext(), message, { failure });
    return outbox.map(
      ({ topic, headers }) =>
        `${topic} ${String(headers['dead-letter-reason'] ?? headers.ce_type)}`,
    );
  }

  const order = (orderid: string, sku: string) => sent('AllocateOrder', { orderid, sku, qty: 1 });
  const identities = (...commands: readonly Sent[]) =>
    commands.map(({ id, source }) => `${source}\t${id}`);

  test('work like any other names when commands fail, are parked and are redriven', async () => {
    const [sku, orderid] = [name(), name()];
    expect(await handle(sent('CreateBatch', { reference: name(), sku, quantity: 10 }))).toEqual([
      'events BatchCreated',
    ]);
    expect(await handle(order(orderid, sku))).toEqual(['events Allocated']);
    const [failed, other, behind] = [
      order(name(), sku),
      order(name(), name()),
      sent('DeallocateOrder', { orderid }),
    ];
    expect(await handle(failed, FAILURE)).toEqual(['dead-letters handler-failed']);
    expect(await handle(behind)).toEqual(['dead-letters parked-behind']);
    expect(await handle(other, FAILURE)).toEqual(['dead-letters handler-failed']);

    const database = await current.database();
    await releaseParked(database, {
      redriven: identities(failed, behind),
      discarded: identities(other),
      replaced: null,
    });
    expect(await handle(failed)).toEqual(['events Allocated']);
    expect(await handle(behind)).toEqual(['events Deallocated']);
    expect(await database.query('select id from parked_commands')).toEqual([]);
    expect(await database.query('select id from parked_subjects')).toEqual([]);
  });
});
