// @module-tag db

import { mkdtemp, rm } from 'node:fs/promises';
import { hostname, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Database } from '../../src/adapters/database/database.ts';
import { Audit } from '../../src/audit/audit.ts';
import { readConfig } from '../../src/config.ts';
import { openAuditTopic, openBroker } from '../../src/connections.ts';
import { type OperatorActed, operatorActed } from '../../src/messages/operator-acts.ts';
import { AutoRecovery } from '../../src/replay/auto-recovery.ts';
import type { Broker } from '../../src/service-layer/broker.ts';
import { TroubleError } from '../../src/service-layer/errors.ts';
import { type CliResult, runCli, runCliHere } from '../support/cli.ts';
import { eventually } from '../support/eventually.ts';
import { over } from '../support/over.ts';
import { RunningService } from '../support/running-service.ts';

const TOPIC = 'allocation.audit';
const ME = `${userInfo().username}@${hostname()}`;

describe('an act of an operator on the command line', () => {
  let directory: string;
  let environment: Record<string, string>;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-audit-'));
    environment = {
      DATABASE_URL: `sqlite:///${join(directory, 'allocation.db')}`,
      TOPIC_PARTITIONS: '2',
      AUDIT_TOPIC: TOPIC,
    };
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const run = (...args: readonly string[]) => runCliHere(environment, directory, args);

  /** Runs a command that creates the topics. */
  const createTopics = () => runCliHere(environment, directory, ['publish', ...BATCH]);
  const BATCH = ['CreateBatch', 'reference=batch-1', 'sku=LAMP', 'quantity=20'];

  async function addLetter(more: Record<string, string> = {}): Promise<string> {
    const broker = await openBroker(readConfig(environment), pino({ level: 'silent' }));
    const reason = {
      'dead-letter-reason': 'malformed',
      'dead-letter-failed-at': '2026-11-23T12:00:00Z',
    };
    const headers = { ...reason, 'dead-letter-topic': 'allocation.commands' };
    const [place] = await broker.publish('allocation.dead-letters', [
      {
        key: 'LAMP',
        value: '{"type":"DeallocateOrder","orderid":"o"}',
        headers: { ...headers, ...more },
      },
    ]);
    await broker.close();
    return `allocation.dead-letters/${place?.partition}/${place?.offset}`;
  }

  /** Reads the audit topic, as an operator does. */
  async function recorded() {
    const args = ['tail', '--topic', 'audit', '--until-end', '--json'];
    const { stdout } = await run(...args);
    const events = stdout.trim().split('\n').filter(Boolean);
    return events.map((line) => {
      const { data, ...envelope } = JSON.parse(line);
      return { envelope, data: operatorActed.strict().parse(data) };
    });
  }

  const logged = ({ audit }: CliResult) => audit.map(({ act, state }) => `${act}: ${state}`);

  it('has a line and a record when it begins, and when it ends', async () => {
    await createTopics();
    const id = await addLetter();
    const result = await run('dead-letters', 'discard', id, '--execute');
    expect([result.code, result.stdout, result.stderr]).toEqual([0, `${id} discarded\n`, '']);
    const on = { count: 1, first: [id] };
    const options = { all: false };
    const about = { act: 'dead-letters discard', by: ME, from: 'cli', on, options };
    expect(result.audit).toEqual([
      { id: expect.any(String), ...about, state: 'begun' },
      { id: expect.any(String), ...about, state: 'succeeded', done: on },
    ]);
    const records = await recorded();
    expect(records.map(({ data }) => data)).toEqual([
      { ...about, state: 'begun' },
      { ...about, state: 'succeeded', done: on },
    ]);
    const [actId] = result.audit.map((line) => (line as unknown as { id: string }).id);
    expect(records.map(({ envelope }) => envelope)).toEqual(
      ['begun', 'ended'].map((part) => ({
        specversion: '1.0',
        id: `${actId}/${part}`,
        source: '/allocation/audit',
        type: 'OperatorActed',
        dataschema: '/allocation/schemas/OperatorActed/2',
        subject: actId,
        time: expect.stringMatching(/Z$/),
        datacontenttype: 'application/json',
      })),
    );
  });

  it.each([
    ['dead-letters redrive', (id: string) => ['dead-letters', 'redrive', id]],
    ['replay snapshot', () => ['replay', 'snapshot', '--into', 'sqlite:///./copy.db']],
    ['replay rebuild', () => ['replay', 'rebuild', '--into', 'sqlite:///./rebuilt.db']],
  ])('is none as long as it only shows a plan: %s', async (act, words) => {
    await createTopics();
    const args = words(await addLetter());
    expect((await run(...args)).audit).toEqual([]);
    expect(logged(await run(...args, '--execute'))).toEqual([`${act}: begun`, `${act}: succeeded`]);
  });

  it('names the command that an edit sends', async () => {
    await createTopics();
    const edit = '{"type":"DeallocateOrder","orderid":"p"}';
    const id = await addLetter();
    const { audit } = await run('dead-letters', 'redrive', id, '--edit', edit, '--execute');
    expect(audit.map(({ options }) => options.edit)).toEqual(
      Array(2).fill(expect.stringContaining('/edited-1-')),
    );
  });

  it('is a copy of events, with its choice', async () => {
    await createTopics();
    await runCliHere({ ...environment, EVENTS_TOPIC: 'copies' }, directory, ['publish', ...BATCH]);
    const copy = ['replay', 'events', '--to-topic', 'copies', '--sku', 'LAMP', '--execute'];
    const { audit } = await run(...copy);
    expect(audit[1]).toMatchObject({
      act: 'replay events',
      state: 'succeeded',
      on: { count: 1, first: ['copies'] },
      options: { sku: 'LAMP' },
    });
    expect((await run('replay', 'events', '--to-topic', TOPIC)).stderr).toContain(
      `${TOPIC} is a topic of the service itself`,
    );
  });

  it('is migrate, whose records come when the embedded log is there', async () => {
    const result = await run('migrate', '--json');
    const { applied } = JSON.parse(result.stdout);
    expect(logged(result)).toEqual(['migrate: begun', 'migrate: succeeded']);
    await createTopics();
    expect((await recorded()).map(({ data: { state, done } }) => [state, done?.first])).toEqual([
      ['begun', undefined],
      ['succeeded', applied],
    ]);
  });

  it('is a new token, of which the audit has the name and the role', async () => {
    await createTopics();
    const { stdout, audit } = await run('token', 'create', '--name', 'shop', '--role', 'operate');
    expect(stdout).toContain('alloc_');
    expect(audit[0]).toMatchObject({ on: { first: ['shop'] }, options: { role: 'operate' } });
    expect(JSON.stringify([audit, await recorded()])).not.toContain('alloc_');
  });

  it('fails with its reason, and the record says so', async () => {
    await createTopics();
    const events = { EVENTS_TOPIC: 'other.events', DATABASE_URL: environment.DATABASE_URL ?? '' };
    await runCliHere({ ...environment, ...events }, directory, ['publish', ...BATCH]);
    const broker = await openBroker(readConfig(environment), pino({ level: 'silent' }));
    await broker.publish('other.events', [{ key: null, value: 'of others', headers: {} }]);
    await broker.close();
    const rebuild = ['replay', 'rebuild', '--into', 'sqlite:///./rebuilt.db', '--execute'];
    const { code, audit } = await runCliHere({ ...environment, ...events }, directory, rebuild);
    expect(code).toBe(1);
    expect(audit[1]).toMatchObject({
      state: 'failed',
      why: expect.stringContaining('is no event of this service'),
    });
    expect((await recorded()).at(-1)?.data.why).toBe(audit[1]?.why);
  });

  it('is interrupted with Ctrl-C, and the letters that are left stay on the list', async () => {
    await createTopics();
    const parked = { 'dead-letter-reason': 'handler-failed', 'dead-letter-position': '1' };
    const id = await addLetter(parked);
    const redrive = ['dead-letters', 'redrive', id, '--execute'];
    // Nobody answers the command, so the redrive waits.
    const result = await runCli(environment, directory, redrive, (child) =>
      child.stdout?.once('data', () => child.kill('SIGINT')),
    );
    expect([result.code, result.stdout]).toEqual([130, `${id} redriven\n`]);
    expect(result.stderr).toMatch(/^error: Interrupted: the letters that are left stay on the/m);
    expect(logged(result)).toEqual([
      'dead-letters redrive: begun',
      'dead-letters redrive: interrupted',
    ]);
    expect((await recorded()).at(-1)?.data).toMatchObject({ done: { count: 1, first: [id] } });
  });

  it('is refused while the audit topic cannot be written, and nothing is done', async () => {
    await runCliHere({ ...environment, AUDIT_TOPIC: '' }, directory, ['publish', ...BATCH]);
    const id = await addLetter();
    environment.KAFKA_CREATE_TOPICS = 'false';
    const refused = await run('dead-letters', 'discard', id, '--execute');
    expect(refused).toMatchObject({ code: 1, stdout: '', audit: [] });
    expect(refused.stderr).toMatch(
      /^error: Nothing was done, because the audit topic \(AUDIT_TOPIC\) cannot be written\. .*\n$/,
    );
    expect((await run('dead-letters', 'list', '--json')).stdout).toContain(id);
    const token = await run('token', 'create', '--name', 'shop', '--role', 'read');
    expect([token.code, token.stdout]).toEqual([1, '']);
  });

  it('has lines alone without AUDIT_TOPIC', async () => {
    environment.AUDIT_TOPIC = '';
    expect(logged(await run('migrate'))).toEqual(['migrate: begun', 'migrate: succeeded']);
    await createTopics();
    expect(await run('tail', '--topic', 'audit', '--until-end')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('AUDIT_TOPIC is not set'),
    });
  });

  it('has no line with LOG_LEVEL=warn', async () => {
    environment.LOG_LEVEL = 'warn';
    expect((await run('migrate')).audit).toEqual([]);
  });
});

describe('a rebuild of the service itself', () => {
  let running: RunningService;
  let directory: string;
  let database: Database;
  let lines: OperatorActed[];

  beforeEach(async () => {
    running = await RunningService.start({ KAFKA_BROKERS: '' });
    const batch = { type: 'CreateBatch', reference: 'b', sku: 'LAMP', quantity: 1, eta: null };
    await running.send(batch);
    await running.idle();
    directory = await mkdtemp(join(tmpdir(), 'allocation-audit-'));
    database = await Database.open(`sqlite:///${join(directory, 'lost.db')}`);
    await database.runMigrations();
    lines = [];
  });
  afterEach(async () => {
    await database.close();
    await rm(directory, { recursive: true, force: true });
    await running[Symbol.asyncDispose]();
  });

  /** Makes the recovery of a lost database. @param methods replace the log's */
  function recoveryWith(methods: Partial<Broker> = {}): AutoRecovery {
    const { broker } = running.service;
    const databaseUrl = `sqlite:///${join(directory, 'lost.db')}`;
    const config = { ...running.config, auditTopic: TOPIC, databaseUrl };
    const log = pino({}, { write: (line) => void lines.push(JSON.parse(line).audit) });
    const write = openAuditTopic(config, broker);
    const audit = new Audit({ by: 'stock@pod', from: 'service', log, write });
    const silent = pino({ level: 'silent' });
    return new AutoRecovery({
      database,
      broker: over(broker, methods),
      config,
      log: silent,
      audit,
    });
  }

  it('has a line and a record when it begins, and when it ends', async () => {
    const { broker } = running.service;
    await recoveryWith().run(new AbortController().signal);
    await recoveryWith().run(new AbortController().signal);
    const about = { act: 'replay rebuild', by: 'stock@pod', from: 'service' };
    expect(lines).toMatchObject([
      { ...about, state: 'begun', on: { first: [expect.stringContaining('lost.db')] } },
      { ...about, state: 'succeeded' },
    ]);
    const records: unknown[] = [];
    await broker.read(TOPIC, await broker.offsetRanges(TOPIC), async (chunk) => {
      records.push(...chunk.records.map(({ value }) => JSON.parse(String(value)).state));
    });
    expect(records).toEqual(['begun', 'succeeded']);
  });

  it('is one act, however often the log fails meanwhile', async () => {
    const { broker } = running.service;
    let failures = 0;
    const read: Broker['read'] = (...call) => {
      failures += 1;
      if (failures > 1) return broker.read(...call);
      return Promise.reject(new TroubleError('The log is away'));
    };
    await recoveryWith({ read }).run(new AbortController().signal);
    expect(failures).toBeGreaterThan(1);
    expect(lines.map(({ state }) => state)).toEqual(['begun', 'succeeded']);
  });

  it('is interrupted with its last failure when the service stops', async () => {
    const stopping = new AbortController();
    const read = () => Promise.reject(new TroubleError('The log is away'));
    const recovery = recoveryWith({ read });
    const recovering = recovery.run(stopping.signal);
    await eventually(() => expect(recovery.state.state).toBe('failed'));
    stopping.abort();
    await recovering;
    const why = 'The database cannot be rebuilt: The log is away';
    expect(lines).toMatchObject([{ state: 'begun' }, { state: 'interrupted', why }]);
  });

  it('asks whether it is needed before its turn, in its turn and at its end', async () => {
    const { broker } = running.service;
    let questions = 0;
    const committedOffsets: Broker['committedOffsets'] = (...call) => {
      questions += 1;
      return broker.committedOffsets(...call);
    };
    await recoveryWith({ committedOffsets }).run(new AbortController().signal);
    // The plan of the rebuild needs the offsets once more.
    expect(questions).toBe(4);
  });
});
