// @module-tag db

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EmbeddedBroker } from '../../../src/adapters/broker/embedded/broker.ts';
import { copyEmbeddedLog } from '../../../src/adapters/broker/embedded/copy.ts';
import { EmbeddedLog } from '../../../src/adapters/broker/embedded/log.ts';
import { Database } from '../../../src/adapters/database/database.ts';
import { type FaultPoint, faults } from '../../../src/fault-points.ts';
import type { OutgoingRecord } from '../../../src/service-layer/records.ts';

const LARGE_BATCH = 1_001;
const topics = [
  { name: 'commands', partitions: 1, maxMessageBytes: 1_000 },
  { name: 'events', partitions: 2, maxMessageBytes: 1_000 },
];

describe('An operation of the embedded log', () => {
  let directory: string;
  let database: Database;
  let broker: EmbeddedBroker;
  /** Another connection, which sees what a kill at that moment would leave in the file. */
  let other: SqliteDatabase.Database;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-log-'));
    database = await Database.open(urlOf('log'));
    await database.runMigrations();
    broker = new EmbeddedBroker(database);
    await broker.ensureTopics(topics, true);
    other = new SqliteDatabase(join(directory, 'log.db'), { timeout: 0 });
  });

  afterEach(async () => {
    faults.at = null;
    other.close();
    await broker.close();
    await database.close();
    await rm(directory, { recursive: true });
  });

  const urlOf = (name: string) => `sqlite:///${join(directory, `${name}.db`)}`;
  /** Enough records to fill several batch rows in both partitions. */
  const records: readonly OutgoingRecord[] = Array.from(
    { length: 2 * LARGE_BATCH },
    (_, index) => ({
      topic: 'events',
      key: Buffer.from(`key ${index}`),
      value: `${index}`,
      headers: {},
    }),
  );
  const position = { group: 'group', topic: 'commands', partition: 0, nextOffset: 7 };
  const committed = () => {
    const records = other
      .prepare('select coalesce(sum(next_offset - base_offset), 0) from log_batches')
      .pluck()
      .get();
    return {
      records,
      group: other.prepare('select next_offset from log_group_offsets').pluck().all(),
    };
  };
  const throwAt = (wanted: FaultPoint, look: () => void = () => {}) => {
    faults.at = (point) => {
      if (point !== wanted) return;
      look();
      throw new Error(`the fault at ${point}`);
    };
  };
  const NOTHING = { records: 0, group: [] };
  const ALL = { records: records.length, group: [7] };

  it.each(['transaction-joined', 'records-sent', 'offset-sent'] as const)(
    'an append that fails at %s leaves no record and no offset',
    async (point) => {
      const producer = await broker.openProducer('lane-0');
      const seen: object[] = [];
      throwAt(point, () => seen.push(committed()));
      await expect(producer.publish(records, position)).rejects.toThrow(`the fault at ${point}`);
      expect([...seen, committed()]).toEqual([NOTHING, NOTHING]);
      faults.at = null;
      await producer.publish(records, position);
      expect(committed()).toEqual(ALL);
    },
  );

  it('an append that fails at broker-committed leaves all records and the offset', async () => {
    const producer = await broker.openProducer('lane-0');
    throwAt('broker-committed');
    await expect(producer.publish(records, position)).rejects.toThrow('the fault');
    expect(committed()).toEqual(ALL);
  });

  it('an append writes its records and the offset in one database transaction', async () => {
    const producer = await broker.openProducer('lane-0');
    const transactions = vi.spyOn(database, 'transaction');
    const queries = vi.spyOn(database, 'query');
    await producer.publish(records, position);
    await producer.publish(records, null);
    await producer.publish([], position);
    expect(transactions).toHaveBeenCalledTimes(3);
    expect(
      queries.mock.calls
        .map(([statement]) => statement)
        .filter((statement) => !/^\s*select/.test(statement)),
    ).toEqual([]);
  });

  it('an append never succeeds after another producer has taken over', async () => {
    const producer = await broker.openProducer('lane-0');
    const follow = () => other.prepare('update log_producers set epoch = epoch + 1').run().changes;
    let followed = 0;
    faults.at = (point) => {
      if (point !== 'transaction-joined') return;
      try {
        followed = follow();
      } catch (error) {
        // The append has locked the file, so that the new producer must wait for its end.
        expect(error).toMatchObject({ code: 'SQLITE_BUSY' });
      }
    };
    const appended = await producer.publish(records, position).then(
      () => true,
      () => false,
    );
    expect({ followed: followed === 1, appended }).not.toEqual({ followed: true, appended: true });
    expect(committed()).toEqual(appended ? ALL : NOTHING);
    faults.at = null;
    if (appended) follow();
    await expect(producer.publish(records, { ...position, nextOffset: 8 })).rejects.toThrow(
      'Another producer has taken over lane-0',
    );
    expect(committed()).toEqual(appended ? ALL : NOTHING);
  });

  it('processes that take one transactional id at once get different epochs', async () => {
    const second = await Database.open(urlOf('log'));
    try {
      const logs = [EmbeddedLog.of(database), EmbeddedLog.of(second)];
      const epochs = await Promise.all([...logs, ...logs].map((log) => log.takeProducer('lane-0')));
      expect(epochs.map(({ epoch }) => epoch).sort()).toEqual([1, 2, 3, 4]);
    } finally {
      await second.close();
    }
  });

  it('processes that ask for the id of a new log at once get the same id', async () => {
    const second = await Database.open(urlOf('log'));
    try {
      const ids = await Promise.all(
        [EmbeddedLog.of(database), EmbeddedLog.of(second)].map((log) => log.id()),
      );
      expect(new Set(ids).size).toBe(1);
    } finally {
      await second.close();
    }
  });

  it('a copy of the log that fails halfway leaves the older copy unchanged', async () => {
    await broker.logId();
    await broker.publish('events', [{ key: null, value: 'older', headers: {} }]);
    const copy = await Database.open(urlOf('copy'));
    try {
      await copy.runMigrations();
      await copyEmbeddedLog(join(directory, 'log.db'), copy);
      const contents = async () => [
        await copy.query('select * from log_identity'),
        await copy.query('select * from log_topics order by name'),
        await copy.query('select * from log_batches'),
      ];
      const older = await contents();
      expect(older).toMatchObject([[{}], [{}, {}], [{}]]);
      await broker.publish('events', [{ key: null, value: 'newer', headers: {} }]);
      // The copy reads this table last.
      other.exec('alter table log_group_offsets rename to gone');
      await expect(copyEmbeddedLog(join(directory, 'log.db'), copy)).rejects.toThrow();
      expect(await contents()).toEqual(older);
    } finally {
      await copy.close();
    }
  });
});
