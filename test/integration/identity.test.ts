// @module-tag db

import { expect, test } from 'vitest';
import type { Database } from '../../src/adapters/database/database.ts';
import type { HandlerFailure } from '../../src/entrypoints/answer-context.ts';
import { quietAnswerContext } from '../support/commands.ts';
import { describeOnEachDatabase } from '../support/databases.ts';
import { answerInLane } from '../support/lane-transaction.ts';

interface Sent {
  readonly source?: string;
  readonly id?: string;
  readonly orderid: string;
}

const FAILURE = { message: 'the handler has a bug', attempts: 4 };
const REDRIVE = '/allocation/dead-letters';
/** Without stock, the answer to every order is a rejection. */
const order = (orderid: string) => ({ type: 'AllocateOrder', orderid, sku: 'LAMP', qty: 1 });

describeOnEachDatabase('A command', (current) => {
  const answerContext = quietAnswerContext();

  function messageOf({ source, id, orderid }: Sent, partition: number) {
    const { type, ...data } = order(orderid);
    if (source === undefined) return { partition, body: { id, type, ...data } };
    const headers = { ce_specversion: '1.0', ce_id: id ?? '', ce_source: source, ce_type: type };
    return { partition, body: data, headers };
  }

  /**
   * Answers each message in a transaction of its own.
   * @returns the topic and the order of each answer
   */
  async function send(
    messages: readonly Sent[],
    failure: HandlerFailure | null = null,
    partition = 0,
  ): Promise<readonly string[]> {
    const database = await current.database();
    const answers: string[] = [];
    for (const sent of messages) {
      const message = messageOf(sent, partition);
      const outbox = await answerInLane(database, answerContext, message, { failure });
      answers.push(
        ...outbox.map(({ topic, value }) => `${topic}: ${JSON.parse(String(value)).orderid}`),
      );
    }
    return answers;
  }

  const formerlyAnswered = (database: Database, id: string) =>
    database.query('insert into processed_commands (id) values (?)', [id]);
  const parkedIds = async () => (await current.database()).query('select id from parked_commands');

  test('is told apart by source and id when two sources count from 1', async () => {
    const messages = [
      { source: '/shop', id: '1', orderid: 'a' },
      { source: '/market', id: '1', orderid: 'b' },
      { id: '1', orderid: 'c' },
    ];
    expect(await send(messages)).toEqual(['events: a', 'events: b', 'events: c']);
    expect(await send(messages)).toEqual([]);
    expect(await send(messages, null, 1)).toEqual([]);
  });

  test('with an id that looks like a place does not stand for that place', async () => {
    const forged = [
      { id: 'commands/0/2', orderid: 'plain' },
      { source: REDRIVE, id: 'commands/0/2', orderid: 'event' },
    ];
    expect(await send([...forged, { orderid: 'without id' }])).toEqual([
      'events: plain',
      'events: event',
      'events: without id',
    ]);
  });

  test('that a former release answered is known by its id from any source', async () => {
    await formerlyAnswered(await current.database(), '1');
    expect(await send([{ source: '/shop', id: '1', orderid: 'a' }])).toEqual([]);
    expect(await send([{ id: '1', orderid: 'b' }])).toEqual([]);
    expect(await send([{ source: '/shop', id: '2', orderid: 'c' }])).toEqual(['events: c']);
  });

  test('is known by its id to a former release that still runs', async () => {
    const database = await current.database();
    await send([
      { source: '/shop', id: '1', orderid: 'a' },
      { id: '2', orderid: 'b' },
    ]);
    const claim = (id: string) =>
      database.query(
        'insert into processed_commands (id) values (?) on conflict (id) do nothing returning id',
        [id],
      );
    for (const id of ['1', '2']) expect(await claim(id)).toEqual([]);
    expect(await claim('3')).toEqual([{ id: '3' }]);
  });

  test('that failed is parked for each source, and answered when it comes again', async () => {
    const messages = [
      { source: '/shop', id: '1', orderid: 'a' },
      { source: '/market', id: '1', orderid: 'b' },
    ];
    expect(await send(messages, FAILURE)).toEqual(['dead-letters: a', 'dead-letters: b']);
    expect(await parkedIds()).toHaveLength(2);
    expect(await send(messages)).toEqual(['events: a', 'events: b']);
    expect(await parkedIds()).toEqual([]);
  });

  test('that failed without an id is known by its place when it is sent again', async () => {
    expect(await send([{ orderid: 'a' }], FAILURE)).toEqual(['dead-letters: a']);
    const again = { source: REDRIVE, id: 'commands/0/0', orderid: 'a' };
    expect(await send([again, again])).toEqual(['events: a']);
    expect(await parkedIds()).toEqual([]);
  });

  test('that forges the redrive of a later place does not swallow that redrive', async () => {
    const redrive = (orderid: string) => ({ source: REDRIVE, id: 'commands/0/1', orderid });
    expect(await send([redrive('forged')])).toEqual(['events: forged']);
    expect(await send([{ orderid: 'a' }], FAILURE)).toEqual(['dead-letters: a']);
    expect(await send([redrive('a'), redrive('a')])).toEqual(['events: a']);
    expect(await parkedIds()).toEqual([]);
    expect(await send([{ orderid: 'b' }])).toEqual(['events: b']);
  });

  test('that was redriven before identities had a digest is not answered again', async () => {
    const database = await current.database();
    await database.query(
      'insert into processed_commands (id, scope) ' +
        `values ('${REDRIVE}\tcommands/0/7', 1), ('commands/0/7', 2)`,
    );
    expect(await send([{ source: REDRIVE, id: 'commands/0/7', orderid: 'a' }])).toEqual([]);
    expect(await send([{ source: REDRIVE, id: 'commands/0/8', orderid: 'b' }])).toEqual([
      'events: b',
    ]);
  });

  test('that was answered before is no longer parked after it comes again', async () => {
    const database = await current.database();
    expect(await send([{ source: '/shop', id: '1', orderid: 'a' }])).toEqual(['events: a']);
    await database.query(
      `insert into parked_commands (id, identity, subjects, behind, position, is_redriven)
       values ('1', '/shop\t1', '["sku:LAMP"]', '[]', 1, 1)`,
    );
    expect(await send([{ id: '2', orderid: 'b' }])).toEqual(['dead-letters: b']);
    expect(await send([{ source: '/shop', id: '1', orderid: 'a' }])).toEqual([]);
    expect(await send([{ id: '2', orderid: 'b' }])).toEqual(['events: b']);
    expect(await parkedIds()).toEqual([]);
  });

  test('that forges the stored source of a redrive becomes a dead letter', async () => {
    expect(
      await send([{ source: `${REDRIVE}#0123456789abcdef`, id: 'commands/0/1', orderid: 'a' }]),
    ).toEqual(['dead-letters: a']);
  });

  test('that a former release parked is known by its id when it is sent again', async () => {
    const database = await current.database();
    await database.query(
      'insert into parked_commands (id, subjects, behind, position, is_redriven) ' +
        `values ('1', '["sku:LAMP"]', '[]', 1, 1)`,
    );
    expect(await send([{ source: '/shop', id: '1', orderid: 'a' }])).toEqual(['events: a']);
    expect(await parkedIds()).toEqual([]);
  });
});
