// @module-tag db
// @module-tag kafka
// @module-tag slow
// @module-tag campaign

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { runCli } from '../support/cli.ts';
import { CommandFlow, workingLanes } from '../support/command-flow.ts';
import { postgresDatabase } from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';
import { checkHistory } from '../support/judge/check-history.ts';
import { ServiceProcess } from '../support/service-process.ts';

const isWhole = process.env.FAULTS === 'all';
const KILLS = isWhole ? 10 : 3;
const COMMANDS_PER_KILL = isWhole ? 5_000 : 1_000;
const FURTHER_COMMANDS = isWhole ? 10_000 : 1_000;
const LANES = 4;

const brokers = inject('kafkaBrokers');
const postgres = inject('postgresUrl');

describe.skipIf(!brokers)('a database that is lost while commands flow through real Kafka', () => {
  let directory: string;
  let flow: CommandFlow;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-'));
  });

  afterAll(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  beforeEach(async () => {
    flow = new CommandFlow(brokers ?? '');
    await flow.connect();
  });

  afterEach(() => flow.disconnect());

  const environment = (databaseUrl: string) => flow.environment(brokers ?? '', databaseUrl);
  const sqlite = (name: string) => `sqlite:///${join(directory, `${flow.run}-${name}.db`)}`;
  const rebuild = (into: string, ...options: readonly string[]) =>
    runCli(environment(sqlite('unused')), directory, [
      'replay',
      'rebuild',
      '--into',
      into,
      '--json',
      '--execute',
      ...options,
    ]);

  const verify = async (databaseUrl: string) => {
    const { code, stdout, stderr } = await runCli(environment(databaseUrl), directory, [
      'replay',
      'verify',
      '--json',
    ]);
    return { code, stderr, ...JSON.parse(stdout) };
  };

  /** Kills the service under load several times, and leaves commands without an answer. */
  async function loadAndKill(databaseUrl: string): Promise<void> {
    for (let kill = 0; kill < KILLS; kill += 1) {
      const service = await ServiceProcess.start(environment(databaseUrl), directory);
      await workingLanes(service.url, LANES);
      if (kill === 0) await flow.bringStock();
      const sending = flow.send(kill, COMMANDS_PER_KILL);
      await sleep(Math.random() * 600);
      await service.stop('SIGKILL');
      await sending;
    }
  }

  /** Runs the service on the database with more commands. Then the judge must find nothing. */
  async function goesOnWith(databaseUrl: string, round = KILLS): Promise<void> {
    await using service = await ServiceProcess.start(environment(databaseUrl), directory);
    await flow.send(round, FURTHER_COMMANDS);
    await eventually(async () => expect(await flow.lag()).toBe(0), { withinMs: 120_000 });
    expect(await service.stop()).toBe(0);
    const history = await flow.history(databaseUrl);
    expect(history.commands).toHaveLength(flow.sent);
    expect(checkHistory(history)).toEqual([]);
    expect(await verify(databaseUrl)).toMatchObject({ code: 0, result: 'equal', counts: {} });
  }

  it('is refused by the service while empty; once rebuilt, it goes on as before', async () => {
    await loadAndKill(sqlite('lost'));
    await using refusing = ServiceProcess.spawn(environment(sqlite('empty')), directory);
    await refusing.listens();
    await eventually(async () =>
      expect(await (await fetch(`${refusing.url}/readyz`)).text()).toContain('replay rebuild'),
    );
    expect(await refusing.stop()).toBe(0);
    const { code, stdout, stderr } = await rebuild(sqlite('rebuilt'));
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('error')]);
    expect(JSON.parse(stdout.trim().split('\n').at(-1) ?? '')).toMatchObject({
      result: 'rebuilt',
      skipped: { beyondThePositions: 0 },
    });
    expect(await verify(sqlite('rebuilt'))).toMatchObject({ code: 0, result: 'equal' });
    expect((await verify(sqlite('empty'))).counts).toMatchObject({ position: LANES });
    await goesOnWith(sqlite('rebuilt'));
  }, 600_000);

  it.skipIf(!postgres)(
    'is rebuilt into PostgreSQL although the rebuild is interrupted and killed',
    async () => {
      await loadAndKill(sqlite('lost'));
      const target = await postgresDatabase();
      try {
        const slowly = (signal: NodeJS.Signals) =>
          runCli(
            environment(sqlite('unused')),
            directory,
            ['replay', 'rebuild', '--into', target.url, '--execute', '--max-rate', '500'],
            (child) =>
              child.stderr?.on('data', (chunk) => {
                if (String(chunk).includes('"perSecond"')) child.kill(signal);
              }),
          );
        const interrupted = await slowly('SIGINT');
        expect([interrupted.code, interrupted.stderr]).toEqual([
          130,
          expect.stringContaining('Run the same command again to go on'),
        ]);
        const refused = await runCli(environment(target.url), directory, ['start']);
        expect([refused.code, refused.stderr]).toEqual([
          1,
          expect.stringContaining('is being rebuilt'),
        ]);
        expect((await slowly('SIGKILL')).code).toBeNull();
        expect((await rebuild(target.url)).code).toBe(0);
        await goesOnWith(target.url);
      } finally {
        await target.remove();
      }
    },
    600_000,
  );

  it('is replaced by a snapshot brought up to date, and a rebuild can show the past', async () => {
    const snapshot = sqlite('snapshot');
    await using service = await ServiceProcess.start(environment(sqlite('lost')), directory);
    await workingLanes(service.url, LANES);
    await flow.bringStock();
    const sending = flow.send(KILLS + 1, COMMANDS_PER_KILL);
    await eventually(async () => expect(await flow.lag()).toBeLessThan(flow.sent));
    expect(
      await runCli(environment(sqlite('lost')), directory, [
        'replay',
        'snapshot',
        '--into',
        snapshot,
        '--execute',
      ]),
    ).toMatchObject({
      code: 0,
    });
    await sending;
    const middle = new Date().toISOString();
    await service.stop('SIGKILL');
    await loadAndKill(sqlite('lost'));
    expect((await rebuild(sqlite('past'), '--until', middle)).code).toBe(0);
    expect((await runCli(environment(sqlite('past')), directory, ['start'])).stderr).toContain(
      'shows the past',
    );
    expect((await rebuild(snapshot)).stderr).toContain('not empty');
    expect((await rebuild(snapshot, '--from-copy')).code).toBe(0);
    await goesOnWith(snapshot, KILLS + 2);
  }, 900_000);
});
