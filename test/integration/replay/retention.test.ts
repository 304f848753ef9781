// @module-tag db
// @module-tag kafka

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { Database } from '../../../src/adapters/database/database.ts';
import { Rebuild } from '../../../src/replay/rebuild.ts';
import { planRebuild } from '../../../src/replay/rebuild-plan.ts';
import { findEventEnds, planSnapshot, takeSnapshot } from '../../../src/replay/snapshot.ts';
import { verify } from '../../../src/replay/verify.ts';
import { joinPatterns } from '../../support/join-patterns.ts';

import { batch, order } from '../../support/plain-commands.ts';
import { RunningService } from '../../support/running-service.ts';
import { plainKafka } from '../../support/topic-reader.ts';

const watch = { advance: async () => {}, signal: new AbortController().signal };
const brokers = inject('kafkaBrokers');

describe.skipIf(!brokers)('An events topic whose beginning was deleted', () => {
  let running: RunningService;
  let directory: string;
  const opened: Database[] = [];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-'));
    running = await RunningService.start({ KAFKA_BROKERS: brokers ?? '' });
    await running.send(batch('lamp-1', 'LAMP'), batch('sofa-1', 'SOFA'), batch('desk-1', 'DESK'));
    await running.idle();
    await running.send(order('o1', 'LAMP'), order('o2', 'SOFA'), order('o3', 'NONE'));
    await running.idle();
  });

  afterEach(async () => {
    for (const database of opened.splice(0)) await database.close();
    await running[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });

  const urlOf = (name: string) => `sqlite:///${join(directory, `${name}.db`)}`;
  const open = async (name: string) => {
    const database = await Database.open(urlOf(name));
    opened.push(database);
    return database;
  };
  const snapshot = async () => {
    const { database, broker } = running.service;
    const events = await findEventEnds(broker, running.config.eventsTopic);
    await takeSnapshot(
      database,
      await planSnapshot(database, events, running.config.commandsTopic, urlOf('snapshot')),
      watch,
    );
  };
  const deleteEvents = async () => {
    const { eventsTopic: topic } = running.config;
    const admin = plainKafka(brokers ?? '').admin();
    try {
      await admin.connect();
      const ends = await admin.fetchTopicOffsets(topic);
      await admin.deleteTopicRecords({
        topic,
        partitions: ends.map(({ partition, high: offset }) => ({ partition, offset })),
      });
    } finally {
      await admin.disconnect();
    }
  };
  const rebuild = async (name: string, fromCopy: boolean) => {
    const plan = await planRebuild(running.service.broker, running.config, {
      until: null,
      fromCopy,
    });
    const rebuilding = await Rebuild.into(await open(name), running.service.broker, plan);
    return await rebuilding.run(watch);
  };
  const compare = async (database: Database) => {
    const { eventsTopic, commandsTopic, groupId: group } = running.config;
    return verify(database, running.service.broker, { eventsTopic, commandsTopic, group }, watch);
  };
  const answer = async (...commands: object[]) => {
    await running.send(...commands);
    await running.idle();
  };

  it('cannot rebuild an empty database, and the refusal names what helps', async () => {
    await deleteEvents();
    await answer(batch('chair-1', 'CHAIR'));
    const { code, stderr } = await running.cli(
      'replay',
      'rebuild',
      '--into',
      urlOf('empty'),
      '--execute',
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(
      joinPatterns(
        /^error: The retention of events-\S+ has deleted events /,
        /\(partition 0 begins at \d+, and is needed from 0 on.*\n$/,
      ),
    );
    expect(stderr).toContain(
      'Use a younger copy of the database, such as a backup or a snapshot ("replay snapshot")',
    );
    expect(stderr).toContain('add --from-copy');
    expect(await (await open('empty')).query('select * from rebuilds')).toEqual([]);
  });

  it('brings a snapshot up to date that has the deleted events', async () => {
    await snapshot();
    await deleteEvents();
    await answer(order('o4', 'LAMP'), batch('chair-1', 'CHAIR'), order('o3', 'NONE'));
    await rebuild('snapshot', true);
    const [rebuilt, lived] = [await open('snapshot'), running.service.database];
    for (const statement of [
      'select sku, version from products order by sku',
      'select reference, sku, quantity, allocated_quantity from batches order by reference',
      'select orderid, sku, qty from order_lines order by orderid, sku',
      'select id from processed_commands order by id',
    ])
      expect(await rebuilt.query(statement)).toEqual(await lived.query(statement));
    expect(await compare(rebuilt)).toMatchObject({ counts: {}, incomplete: 3 });
  });

  it('does not bring a snapshot up to date that lacks deleted events', async () => {
    await snapshot();
    await answer(batch('chair-1', 'CHAIR'));
    await deleteEvents();
    await expect(rebuild('snapshot', true)).rejects.toThrow(
      /has deleted events \(partition \d begins at \d+, and is needed from \d+ on/,
    );
  });

  it('is compared with the database as far as possible, and verify says so', async () => {
    await deleteEvents();
    await answer(order('o4', 'LAMP'), batch('chair-1', 'CHAIR'));
    await answer(order('o5', 'CHAIR'));
    const { code, stdout } = await running.cli('replay', 'verify');
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(
        joinPatterns(
          /has deleted the beginning of the topic \(partition 0 begins at \d+.* 3 others may lack /,
          /.*\nEqual: .*, no difference in what was compared\n$/,
        ),
      ),
    ]);
    expect(JSON.parse((await running.cli('replay', 'verify', '--json')).stdout)).toMatchObject({
      result: 'equal-where-compared',
    });
    const { database } = running.service;
    await database.query(`update batches set quantity = 9 where reference = 'chair-1'`);
    expect((await compare(database)).counts).toEqual({ 'batch-quantity': 1 });
    await database.query(`update products set version = 1 where sku = 'LAMP'`);
    expect((await compare(database)).counts).toEqual({ 'batch-quantity': 1, 'product-version': 1 });
  });
});
