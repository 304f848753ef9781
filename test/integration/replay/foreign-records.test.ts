// @module-tag db

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Database } from '../../../src/adapters/database/database.ts';
import { readMark } from '../../../src/adapters/database/replay/rebuild-mark.ts';
import { AutoRecovery } from '../../../src/replay/auto-recovery.ts';
import { Rebuild } from '../../../src/replay/rebuild.ts';
import { planRebuild } from '../../../src/replay/rebuild-plan.ts';
import { verify } from '../../../src/replay/verify.ts';
import { whatIf } from '../../../src/replay/what-if.ts';
import { planWhatIf } from '../../../src/replay/what-if-plan.ts';
import type { LogRecord } from '../../../src/service-layer/records.ts';
import { unreadAudit } from '../../support/audit.ts';
import { publishChanged } from '../../support/changed-events.ts';
import { eventually } from '../../support/eventually.ts';
import { RunningService } from '../../support/running-service.ts';

const watch = { advance: async () => {}, signal: new AbortController().signal };
const hello: LogRecord = { key: null, value: 'hello', headers: {} };

describe('An events topic', () => {
  let running: RunningService;
  let directory: string;
  let database: Database;

  beforeAll(async () => {
    running = await RunningService.start({ KAFKA_BROKERS: '' });
    await running.send({
      type: 'CreateBatch',
      id: 'b',
      reference: 'lamp-1',
      sku: 'LAMP',
      quantity: 10,
      eta: null,
    });
    for (const orderid of ['o1', 'o2'])
      await running.send({ type: 'AllocateOrder', id: orderid, orderid, sku: 'LAMP', qty: 2 });
    await running.idle();
    await eventually(() => expect(running.events).toHaveLength(3));
  }, 60_000);

  afterAll(() => running[Symbol.asyncDispose]());

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-'));
    database = await Database.open(urlOf('rebuilt'));
    await database.runMigrations();
  });

  afterEach(async () => {
    await database.close();
    await rm(directory, { recursive: true, force: true });
  });

  const urlOf = (name: string) => `sqlite:///${join(directory, `${name}.db`)}`;
  const eventsIn = (change: (events: LogRecord[]) => LogRecord[]) =>
    publishChanged(running, change);
  const rebuild = async (eventsTopic: string, skipForeign = false) => {
    const plan = await planRebuild(
      running.service.broker,
      { ...running.config, eventsTopic },
      { until: null, fromCopy: false, skipForeign },
    );
    return (await Rebuild.into(database, running.service.broker, plan)).run(watch);
  };
  const check = async (of: Database, eventsTopic: string, skipForeign = false) => {
    const { commandsTopic, groupId: group } = running.config;
    return verify(
      of,
      running.service.broker,
      { eventsTopic, commandsTopic, group, skipForeign },
      watch,
    );
  };
  const answers = async () => (await database.query('select * from processed_commands')).length;
  const withHeaders = (
    record: LogRecord | undefined,
    headers: Record<string, string | undefined>,
    value?: string,
  ): LogRecord => {
    const all = Object.entries({ ...record?.headers, ...headers }).filter(
      ([, text]) => text !== undefined,
    );
    return {
      key: record?.key ?? null,
      value: value ?? record?.value ?? null,
      headers: Object.fromEntries(all) as LogRecord['headers'],
    };
  };

  describe('with records of others', () => {
    const foreign: Record<string, (event: LogRecord | undefined) => LogRecord> = {
      'that is no event at all': () => hello,
      'without a source': (event) => withHeaders(event, { ce_source: undefined }),
      'of another source, with our id': (event) => withHeaders(event, { ce_source: '/shipping' }),
      'of our source, with an id that is no place': (event) =>
        withHeaders(event, { ce_id: 'a-test', ce_type: 'Probe' }),
      'without a value': () => ({ key: null, value: null, headers: {} }),
    };

    it.each(Object.entries(foreign))(
      'only when told to, a rebuild skips a record %s',
      async (_, make) => {
        const eventsTopic = await eventsIn((events) => [make(events[0]), ...events]);
        await expect(rebuild(eventsTopic)).rejects.toThrow(
          `${eventsTopic}/0/0 is no event of this service: `,
        );
        expect(await answers()).toBe(0);
        expect(await rebuild(eventsTopic, true)).toMatchObject({
          applied: 3,
          foreign: { count: 1, first: [`${eventsTopic}/0/0`] },
        });
        expect(await answers()).toBe(3);
      },
    );

    it('a rebuild counts all foreign records, and names the first three places', async () => {
      const eventsTopic = await eventsIn((events) => [
        ...Array.from({ length: 4 }, () => hello),
        ...events,
      ]);
      const first = [0, 1, 2].map((offset) => `${eventsTopic}/0/${offset}`);
      expect((await rebuild(eventsTopic, true)).foreign).toEqual({ count: 4, first });
    });

    it('an interrupted rebuild skips foreign records once that is decided', async () => {
      const eventsTopic = await eventsIn((events) => [...events, hello]);
      const plan = await planRebuild(
        running.service.broker,
        { ...running.config, eventsTopic },
        { until: null, fromCopy: false },
      );
      const interruption = new AbortController();
      interruption.abort(new Error('Ctrl-C'));
      await expect(
        (await Rebuild.into(database, running.service.broker, plan)).run({
          ...watch,
          signal: interruption.signal,
        }),
      ).rejects.toThrow('Ctrl-C');
      expect(await rebuild(eventsTopic, true)).toMatchObject({ applied: 3, foreign: { count: 1 } });
    });

    it('a refusal names the command with --skip-foreign, which then works', async () => {
      await using other = await RunningService.start({ KAFKA_BROKERS: '' });
      await other.send({
        type: 'CreateBatch',
        id: 'b',
        reference: 'lamp-1',
        sku: 'LAMP',
        quantity: 10,
        eta: null,
      });
      await other.idle();
      await other.service.broker.publish(other.config.eventsTopic, [hello]);
      const args = ['replay', 'rebuild', '--into', urlOf('by-hand'), '--execute'];
      const refused = await other.cli(...args);
      expect(refused).toMatchObject({
        code: 1,
        stderr: expect.stringContaining(`npx allocation ${args.join(' ')} --skip-foreign\n`),
      });
      expect(await other.cli(...args, '--skip-foreign')).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/Skipped records of others: 1 \(events-\w+\/\d\/\d\)/),
      });
      const what = ['replay', 'commands', '--execute'];
      expect((await other.cli(...what)).stderr).toContain(
        `npx allocation ${what.join(' ')} --skip-foreign\n`,
      );
      expect(await other.cli(...what, '--skip-foreign')).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('of others: 1 ('),
      });
      expect(await other.cli('replay', 'verify')).toMatchObject({
        code: 1,
        stdout: expect.stringContaining('foreign-record'),
      });
      expect(await other.cli('replay', 'verify', '--skip-foreign')).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('of others: 1 ('),
      });
    }, 120_000);

    it('a service with AUTO_RECOVER skips no record, and names the command', async () => {
      const eventsTopic = await eventsIn((events) => [...events, hello]);
      const closing = new AbortController();
      const config = { ...running.config, eventsTopic, databaseUrl: urlOf('rebuilt') };
      const recovery = new AutoRecovery({
        database,
        broker: running.service.broker,
        config,
        log: pino({ level: 'silent' }),
        audit: unreadAudit(),
      });
      const recovered = recovery.run(closing.signal);
      await eventually(() =>
        expect(recovery.problems()).toEqual([
          expect.stringContaining(
            `npx allocation replay rebuild --into ${urlOf('rebuilt')} --skip-foreign --execute`,
          ),
        ]),
      );
      closing.abort();
      await recovered;
      expect([await readMark(database), await answers()]).toEqual([null, 0]);
    });

    it('a service with AUTO_RECOVER goes on with a rebuild that may skip records', async () => {
      const eventsTopic = await eventsIn((events) => [...events, hello]);
      const config = { ...running.config, eventsTopic, databaseUrl: urlOf('rebuilt') };
      const plan = await planRebuild(running.service.broker, config, {
        until: null,
        fromCopy: false,
        skipForeign: true,
      });
      const interruption = new AbortController();
      interruption.abort(new Error('Ctrl-C'));
      await expect(
        (await Rebuild.into(database, running.service.broker, plan)).run({
          ...watch,
          signal: interruption.signal,
        }),
      ).rejects.toThrow('Ctrl-C');
      await new AutoRecovery({
        database,
        broker: running.service.broker,
        config,
        log: pino({ level: 'silent' }),
        audit: unreadAudit(),
      }).run(watch.signal);
      expect([await readMark(database), await answers()]).toEqual([null, 3]);
    });

    it('a what-if skips foreign records only when told to', async () => {
      const eventsTopic = await eventsIn((events) => [hello, ...events]);
      const ask = async (skipForeign: boolean) => {
        const { broker } = running.service;
        const plan = await planWhatIf(
          broker,
          { ...running.config, eventsTopic },
          { from: null, to: null, skipForeign },
        );
        return whatIf(broker, plan, { type: null, sku: null }, watch);
      };
      await expect(ask(false)).rejects.toThrow(`${eventsTopic}/0/0 is no event of this service`);
      expect(await ask(true)).toMatchObject({
        same: 3,
        different: {},
        foreign: { count: 1, first: [`${eventsTopic}/0/0`] },
      });
    });
  });

  describe('with a record that has the source and the id of this service', () => {
    const damaged: Record<string, Record<string, string | undefined>> = {
      'of an unknown type': { ce_type: 'Counted' },
      'without a type': { ce_type: undefined },
      'of the sequence 0': { ce_sequence: '0' },
      'without a sequence': { ce_sequence: undefined },
      'of a version to come': { ce_dataschema: 'https://example.com/Allocated/9' },
      'without the id of its command': { ce_causationid: undefined },
      'without a time': { ce_time: undefined },
    };

    it.each(Object.entries(damaged))('a rebuild never skips a record %s', async (_, headers) => {
      const eventsTopic = await eventsIn(([first, ...others]) => [
        withHeaders(first, headers),
        ...others,
      ]);
      await expect(rebuild(eventsTopic, true)).rejects.toThrow(
        `${eventsTopic}/0/0 has the source and the id of an event of this service`,
      );
      expect(await answers()).toBe(0);
      expect((await check(running.service.database, eventsTopic, true)).counts).toMatchObject({
        'foreign-record': 1,
      });
    });

    it('a rebuild never skips a record whose value cannot be read', async () => {
      const eventsTopic = await eventsIn(([first, ...others]) => [
        withHeaders(first, {}, '{'),
        ...others,
      ]);
      await expect(rebuild(eventsTopic, true)).rejects.toThrow('It is never skipped');
    });
  });

  describe('with two events of one product and sequence', () => {
    it('a rebuild takes the event once when id and content are equal', async () => {
      const eventsTopic = await eventsIn((events) => [...events, ...events]);
      expect(await rebuild(eventsTopic)).toMatchObject({ applied: 3, skipped: { repeated: 3 } });
      expect(Object.keys((await check(database, eventsTopic)).counts)).toEqual(['event-repeated']);
    });

    const changes: Record<string, (event: LogRecord | undefined) => LogRecord> = {
      'another id': (event) => withHeaders(event, { ce_id: 'other-commands/0/7' }),
      'another quantity': (event) => withHeaders(event, {}, changed(event, { quantity: 9 })),
      'another batch': (event) => withHeaders(event, {}, changed(event, { reference: 'lamp-2' })),
      'an eta instead of none': (event) =>
        withHeaders(event, {}, changed(event, { eta: '2027-01-01' })),
    };
    const changed = (event: LogRecord | undefined, data: object) =>
      JSON.stringify({ ...JSON.parse(String(event?.value)), ...data });

    it.each(Object.entries(changes))(
      'a rebuild refuses events that differ by %s, and names both places',
      async (_, change) => {
        const eventsTopic = await eventsIn((events) => [...events, change(events[0])]);
        for (const skipForeign of [false, true]) {
          await expect(rebuild(eventsTopic, skipForeign)).rejects.toThrow(
            new RegExp(
              `LAMP ce_sequence 1 is \\S+ at ${eventsTopic}/0/0 and \\S+ at ${eventsTopic}/0/3`,
            ),
          );
        }
        expect(await answers()).toBe(0);
        const { counts, differences } = await check(running.service.database, eventsTopic);
        expect(counts).toMatchObject({ 'event-conflict': 1 });
        expect(differences).toContainEqual(
          expect.objectContaining({
            kind: 'event-conflict',
            found: expect.stringMatching(
              new RegExp(`at ${eventsTopic}/0/0 .* at ${eventsTopic}/0/3$`),
            ),
          }),
        );
      },
    );

    it('a rebuild refuses both events though a crash came between the two reads', async () => {
      const eventsTopic = await eventsIn((events) => [
        ...events,
        withHeaders(events[0], { ce_id: 'other-commands/0/7' }),
      ]);
      const plan = await planRebuild(
        running.service.broker,
        { ...running.config, eventsTopic },
        { until: null, fromCopy: false },
      );
      const interruption = new AbortController();
      const advance = async () => interruption.abort(new Error('Ctrl-C'));
      await expect(
        (await Rebuild.into(database, running.service.broker, plan)).run({
          advance,
          signal: interruption.signal,
        }),
      ).rejects.toThrow('Ctrl-C');
      await expect(rebuild(eventsTopic)).rejects.toThrow('Different events have one sequence');
    });

    it('a refusal names the event that was read first, wherever the event lies', async () => {
      const eventsTopic = await eventsIn(([first, ...others]) => [
        ...others,
        withHeaders(first, { ce_id: 'other-commands/0/7' }),
        first as LogRecord,
      ]);
      await expect(rebuild(eventsTopic)).rejects.toThrow(
        `is other-commands/0/7 at ${eventsTopic}/0/2`,
      );
    });
  });
});
