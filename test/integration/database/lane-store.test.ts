// @module-tag db

import { expect, test } from 'vitest';
import type { SqlUnitOfWork } from '../../../src/adapters/database/aggregates/sql-unit-of-work.ts';
import { SqlLaneStore } from '../../../src/adapters/database/lanes/sql-lane-store.ts';
import { Batch } from '../../../src/domain/batch.ts';
import { Product } from '../../../src/domain/product.ts';
import { FailoverError, FencedError, TroubleError } from '../../../src/service-layer/errors.ts';
import type { LanePosition, LaneProgress } from '../../../src/service-layer/lane-store.ts';
import type { Partition } from '../../../src/service-layer/records.ts';
import { describeOnEachDatabase } from '../../support/databases.ts';

const LANE = { topic: 'commands', partition: 3 };
const START: LanePosition = { nextOffset: 0, nextSequence: 1 };

function progress(
  nextOffset: number,
  nextSequence: number,
  more: Partial<LaneProgress> = {},
): LaneProgress {
  return {
    next: { nextOffset, nextSequence },
    outbox: [],
    publishedBelowOffset: 0,
    restsOn: [],
    ...more,
  };
}

const record = (sequence: number, sourceOffset: number, value: string | Buffer = 'x') => {
  return { sequence, sourceOffset, topic: 'events', key: 'key', value, headers: {} };
};

describeOnEachDatabase('The lane store', (current) => {
  const openStore = async () => new SqlLaneStore(await current.database(), () => {});

  test('starts an unknown lane at offset 0 and sequence 1', async () => {
    const store = await openStore();
    expect(await store.readPosition(LANE)).toMatchObject(START);
    expect(await store.readOutbox(LANE, 0, 100)).toBeNull();
  });

  test('moves only the lane of the transaction', async () => {
    const store = await openStore();
    const moved = await store.transaction(LANE, START, async () => progress(5, 9));
    expect(moved.next).toEqual({ nextOffset: 5, nextSequence: 9 });
    expect(await store.readPosition(LANE)).toMatchObject({ nextOffset: 5, nextSequence: 9 });
    expect(await store.readPosition({ ...LANE, partition: 4 })).toMatchObject(START);
    expect(await store.readPosition({ ...LANE, topic: 'others' })).toMatchObject(START);
  });

  test('fences an owner after another owner has moved the lane', async () => {
    const store = await openStore();
    await store.transaction(LANE, START, async () => progress(5, 9));
    const work = store.transaction(LANE, START, async () => {
      throw new Error('The work fails too');
    });
    await expect(work).rejects.toThrow(FencedError);
    await expect(
      store.transaction(LANE, { nextOffset: 5, nextSequence: 8 }, async () => progress(6, 9)),
    ).rejects.toThrow(FencedError);
  });

  test('lets one owner move the lane and fences the others when owners meet', async () => {
    const store = await openStore();
    const outcomes = await Promise.allSettled(
      [1, 2, 3, 4].map(() => store.transaction(LANE, START, async () => progress(1, 1))),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(FencedError);
  });

  test('changes nothing when the work fails', async () => {
    const store = await openStore();
    const work = store.transaction(LANE, START, async ({ products }) => {
      products.add(new Product('CHAIR'));
      throw new Error('no');
    });
    await expect(work).rejects.toThrow('no');
    expect(await store.readPosition(LANE)).toMatchObject(START);
    expect(await (await current.database()).query('select * from products')).toEqual([]);
  });

  test('lets only one committed transaction of all lanes claim a command', async () => {
    const store = await openStore();
    const ids = ['a', "b'\\", '__proto__', 'a'];
    const claim = (lane: Partition, position: LanePosition, outcome: 'commits' | 'fails') =>
      store.transaction(lane, position, async (transaction) => {
        claimed.push(
          [...(await transaction.claim([...ids, 'c'].slice(0, 2 + claimed.length)))].sort(),
        );
        if (outcome === 'fails') throw new Error('no');
        return progress(position.nextOffset + 1, 1);
      });
    const claimed: string[][] = [];
    await expect(claim(LANE, START, 'fails')).rejects.toThrow('no');
    await claim(LANE, START, 'commits');
    await claim({ ...LANE, partition: 4 }, START, 'commits');
    await claim(LANE, { nextOffset: 1, nextSequence: 1 }, 'commits');
    expect(claimed).toEqual([['a', "b'\\"], ['__proto__', 'a', "b'\\"], [], ['c']]);
  });

  test('returns waiting records in order, one transaction at a time, until deleted', async () => {
    const store = await openStore();
    const outbox = [record(1, 0), record(2, 1), record(3, 1), record(4, 2)];
    await store.transaction(LANE, START, async () => progress(3, 5, { outbox }));
    await store.transaction(LANE, { nextOffset: 3, nextSequence: 5 }, async () =>
      progress(5, 6, { outbox: [record(5, 4)] }),
    );
    const sequences = async (from: number, below: number) =>
      (await store.readOutbox(LANE, from, below))?.records.map(({ sequence }) => sequence) ?? null;
    expect(await sequences(0, 3)).toEqual([1, 2, 3, 4]);
    expect(await sequences(0, 2)).toEqual([1, 2, 3]);
    expect(await sequences(1, 9)).toEqual([2, 3, 4]);
    expect(await sequences(3, 9)).toEqual([5]);
    expect(await sequences(3, 4)).toEqual([]);
    expect(await store.readOutbox({ ...LANE, partition: 4 }, 0, 9)).toBeNull();
    await store.deleteOutbox(LANE, 1);
    expect(await sequences(1, 9)).toEqual([2, 3, 4]);
    await store.transaction(LANE, { nextOffset: 5, nextSequence: 6 }, async () =>
      progress(6, 7, { publishedBelowOffset: 3 }),
    );
    expect(await sequences(0, 9)).toEqual([5]);
    await store.deleteOutbox(LANE, 5);
    expect(await sequences(0, 9)).toBeNull();
  });

  test('returns the end of a transaction though its last commands had no answer', async () => {
    const store = await openStore();
    await store.transaction(LANE, START, async () => progress(8, 2, { outbox: [record(1, 3)] }));
    expect(await store.readOutbox(LANE, 0, 9)).toMatchObject({
      records: [{ sequence: 1 }],
      nextOffset: 8,
    });
    expect(await store.readOutbox(LANE, 4, 9)).toEqual({ records: [], nextOffset: 8, restsOn: [] });
    expect(await store.readOutbox(LANE, 4, 6)).toEqual({ records: [], nextOffset: 6, restsOn: [] });
    expect(await store.readOutbox(LANE, 8, 9)).toBeNull();
  });

  test('returns the lanes on whose earlier answers a transaction rests', async () => {
    const store = await openStore();
    const allocate = (
      lane: Partition,
      from: LanePosition,
      nextOffset: number,
      ...skus: readonly string[]
    ) =>
      store.transaction(lane, from, async (transaction) => {
        for (const sku of skus) {
          const product = (await transaction.products.get(sku)) ?? new Product(sku);
          if (product.version === 0) transaction.products.add(product);
          product.addBatch(new Batch(`${sku}-${product.version}`, sku, 1, null));
        }
        await transaction.flush({ ...lane, nextOffset });
        return progress(nextOffset, from.nextSequence + 1, {
          outbox: [record(from.nextSequence, 0)],
          restsOn: transaction.writers(),
        });
      });
    const other = { ...LANE, partition: 4 };
    await allocate(LANE, START, 3, 'LAMP', 'SOFA');
    await allocate(LANE, { nextOffset: 3, nextSequence: 2 }, 7, 'LAMP');
    await allocate(other, START, 5, 'SOFA', 'LAMP', 'DESK');
    expect(await store.readOutbox(LANE, 0, 3)).toMatchObject({ restsOn: [] });
    expect(await store.readOutbox(other, 0, 9)).toMatchObject({
      restsOn: [{ ...LANE, nextOffset: 7 }],
    });
    await allocate(LANE, { nextOffset: 7, nextSequence: 3 }, 8, 'DESK');
    expect(await store.readOutbox(LANE, 7, 9)).toMatchObject({
      restsOn: [{ ...other, nextOffset: 5 }],
    });
  });

  test('keeps every byte of keys, values and headers', async () => {
    const store = await openStore();
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const outbox = [
      {
        ...record(1, 0),
        key: bytes,
        value: bytes,
        headers: { raw: bytes, text: 'ü', many: ['a', bytes], __proto__x: 'y' },
      },
      { ...record(2, 0), key: null, value: null },
      { ...record(3, 0), key: 'NUL \0 inside', value: Buffer.from('NUL \0 inside') },
      { ...record(4, 0), key: '', value: '{"ü":"\\u0000🚀\\\\"}' },
    ];
    const committed = await store.transaction(LANE, START, async () => progress(1, 5, { outbox }));
    const read = await store.readOutbox(LANE, 0, 1);
    expect(committed.outbox).toMatchObject(outbox);
    expect(committed.outbox.map(({ encoded }) => encoded)).toEqual(
      read?.records.map(({ encoded }) => encoded),
    );
    const asBytes = (value: unknown) => (typeof value === 'string' ? Buffer.from(value) : value);
    expect(read?.records.map(({ key, value }) => [asBytes(key), asBytes(value)])).toEqual(
      outbox.map(({ key, value }) => [asBytes(key), asBytes(value)]),
    );
    expect(read?.records[0]?.headers).toEqual({
      raw: bytes,
      text: Buffer.from('ü'),
      many: [Buffer.from('a'), bytes],
      __proto__x: Buffer.from('y'),
    });
  });

  test('remembers the former group until the next group has settled the lane', async () => {
    const store = await openStore();
    const former = async (group: string) => (await store.bind(LANE, 'log', group)).formerGroup;
    expect([
      await former('a'),
      await former('a'),
      await former('b'),
      await former('c'),
      await former('b'),
    ]).toEqual([null, null, 'a', 'a', 'a']);
    await expect(store.settle(LANE, 'c')).rejects.toThrow(FencedError);
    await store.settle(LANE, 'b');
    expect([await former('b'), await former('a')]).toEqual([null, 'b']);
  });

  test('keeps the group of a lane that belongs to another log', async () => {
    const store = await openStore();
    await store.bind(LANE, 'log', 'a');
    expect(await store.bind(LANE, 'another', 'b')).toEqual({ logId: 'log', formerGroup: null });
    expect(await store.readPosition(LANE)).toMatchObject({ ...START, group: 'a' });
  });

  test('fences an owner after another group has taken the lane', async () => {
    const store = await openStore();
    await store.bind(LANE, 'log', 'a');
    const position = await store.readPosition(LANE);
    await store.bind(LANE, 'log', 'b');
    await expect(store.transaction(LANE, position, async () => progress(1, 1))).rejects.toThrow(
      FencedError,
    );
  });

  test('keeps the leader epoch of the last handled record', async () => {
    const store = await openStore();
    await store.transaction(LANE, START, async () => ({
      ...progress(5, 1),
      next: { nextOffset: 5, nextSequence: 1, leaderEpoch: 7 },
    }));
    expect(await store.readPosition(LANE)).toMatchObject({
      nextOffset: 5,
      nextSequence: 1,
      leaderEpoch: 7,
    });
  });

  test('deletes published rows for the owner, and fences a former owner', async () => {
    const store = await openStore();
    await store.transaction(LANE, START, async () => progress(3, 2, { outbox: [record(1, 2)] }));
    await expect(store.deletePublished(LANE, START, 3)).rejects.toThrow(FencedError);
    expect(await store.readOutbox(LANE, 0, 9)).not.toBeNull();
    await store.deletePublished(LANE, { nextOffset: 3, nextSequence: 2 }, 3);
    expect(await store.readOutbox(LANE, 0, 9)).toBeNull();
  });

  test.runIf(current.dialect === 'postgresql').each([
    ['serialization_failure', '40001'],
    ['deadlock_detected', '40P01'],
    ['lock_not_available', '55P03'],
    ['unique_violation', '23505'],
  ])('runs the work again when PostgreSQL undoes the work with %s', async (_, code) => {
    const database = await current.database();
    const store = new SqlLaneStore(database, () => {});
    let times = 0;
    const moved = await store.transaction(LANE, START, async (transaction) => {
      times += 1;
      await transaction.claim([`command-${times}`]);
      if (times < 3)
        await (transaction as SqlUnitOfWork).sql(
          `do $$ begin raise exception using errcode = '${code}'; end $$`,
        );
      return progress(5, 9);
    });
    expect(moved).toMatchObject({ next: { nextOffset: 5 } });
    expect(await database.query('select id from processed_commands')).toEqual([
      { id: 'command-3' },
    ]);
  });

  test.runIf(current.dialect === 'postgresql')(
    'throws a TroubleError when PostgreSQL undoes the work each time',
    async () => {
      const store = await openStore();
      const work = store.transaction(LANE, START, async (transaction) => {
        await (transaction as SqlUnitOfWork).sql(
          "do $$ begin raise exception using errcode = '40001'; end $$",
        );
        return progress(5, 9);
      });
      await expect(work).rejects.toThrow(TroubleError);
    },
  );

  test.runIf(current.dialect === 'postgresql')('gets two lanes through a deadlock', async () => {
    const database = await current.database();
    const store = new SqlLaneStore(database, () => {});
    await database.query(
      "insert into log_producers (transactional_id, epoch) values ('a', 0), ('b', 0)",
    );
    const both = Promise.withResolvers<void>();
    let holding = 0;
    const increase = (partition: number, first: string, second: string) =>
      store.transaction({ ...LANE, partition }, START, async (transaction) => {
        const { sql } = transaction as SqlUnitOfWork;
        await sql('update log_producers set epoch = epoch + 1 where transactional_id = ?', [first]);
        holding += 1;
        if (holding === 2) both.resolve();
        await both.promise;
        await sql('update log_producers set epoch = epoch + 1 where transactional_id = ?', [
          second,
        ]);
        return progress(5, 9);
      });
    await Promise.all([increase(1, 'a', 'b'), increase(2, 'b', 'a')]);
    expect(await database.query('select epoch from log_producers')).toEqual([
      { epoch: 2 },
      { epoch: 2 },
    ]);
  });

  test.runIf(current.dialect === 'postgresql')(
    'leaves no session behind when a question waits for a locked table',
    async () => {
      const database = await current.database();
      const store = new SqlLaneStore(database, () => {});
      const isLocked = Promise.withResolvers<void>();
      const mayEnd = Promise.withResolvers<void>();
      const locking = database.transaction(async (sql) => {
        await sql('set local idle_in_transaction_session_timeout = 0');
        await sql('lock table outbox, source_positions in access exclusive mode');
        isLocked.resolve();
        await mayEnd.promise;
      });
      await isLocked.promise;
      const answers = await Promise.allSettled([
        store.readOutbox(LANE, 0, 9),
        store.readPosition(LANE),
        store.readPositions(LANE.topic),
        store.readStandings(LANE.topic),
        store.hasFormerId(LANE),
      ]);
      const reasons = answers.map((each) => each.status === 'rejected' && each.reason.message);
      expect(reasons).toEqual(answers.map(() => expect.stringContaining('lock timeout')));
      const waiting = await database.query(
        'select pid from pg_stat_activity ' +
          "where datname = current_database() and wait_event_type = 'Lock'",
      );
      expect(waiting).toEqual([]);
      mayEnd.resolve();
      await locking;
    },
  );

  test.runIf(current.dialect === 'postgresql')(
    'fences a lane that read its position from another server',
    async () => {
      const store = await openStore();
      const position = await store.readPosition(LANE);
      expect(position.timeline).toMatch(/^[0-9A-F]{8}\/\d+\.\d+$/);
      const former = { ...position, timeline: '000000FF' };
      await expect(store.transaction(LANE, former, async () => progress(5, 9))).rejects.toThrow(
        FailoverError,
      );
      await expect(
        store.transaction(LANE, position, async () => progress(5, 9)),
      ).resolves.toMatchObject({ next: { nextOffset: 5 } });
    },
  );
});
