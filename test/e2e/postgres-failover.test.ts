// @module-tag db
// @module-tag kafka
// @module-tag slow
// @module-tag campaign

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { runCli } from '../support/cli.ts';
import { CommandFlow } from '../support/command-flow.ts';
import { eventually } from '../support/eventually.ts';
import { sharedOut } from '../support/instances.ts';
import { checkHistory } from '../support/judge/check-history.ts';
import { type PgBouncer, pgBouncerOrSkip } from '../support/pgbouncer.ts';
import { type PostgresPair, startPostgresPair } from '../support/postgres-pair.ts';
import { readHistory } from '../support/read-history.ts';
import { ServiceProcess } from '../support/service-process.ts';

const COMMANDS = 400;
const LANES = 4;
/** The target is a quarter of this. A busy machine may need the rest. */
const RECOVERY_MS = 60_000;
const PATIENCE_MS = 60_000;
const brokers = inject('kafkaBrokers');

describe.skipIf(!brokers)('when PostgreSQL fails over to its streaming standby', () => {
  let directory: string;
  let pair: PostgresPair | null;
  let bouncer: PgBouncer | null = null;
  let flow: CommandFlow;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-'));
    flow = new CommandFlow(brokers ?? '');
    await flow.connect();
  });

  afterEach(async () => {
    await flow.disconnect();
    await bouncer?.stop();
    bouncer = null;
    await pair?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const startPair = async (synchronous: boolean) => {
    pair = await startPostgresPair({ synchronous }).catch((reason: Error) => {
      if (process.env.CI) throw reason;
      process.stderr.write(`Tests on failovers are skipped: ${reason.message}\n`);
      return null;
    });
    return pair;
  };
  const waitForAnswers = (withinMs: number) =>
    eventually(async () => expect(await flow.lag()).toBe(0), { withinMs });
  /** Fails over to a standby that lacks the last answers, and sends more commands. */
  const loseCommits = async (servers: NonNullable<typeof pair>) => {
    await flow.bringStock();
    await servers.cutStandby();
    await flow.send(1, COMMANDS);
    await waitForAnswers(PATIENCE_MS);
    await servers.failOver();
    await flow.send(2, COMMANDS);
  };
  const problemsOf = async ({ url }: ServiceProcess) => {
    const { problems } = (await (await fetch(`${url}/readyz`)).json()) as { problems: string[] };
    return problems;
  };
  const expectRightHistory = async (service: ServiceProcess, url: string) => {
    expect(await service.stop()).toBe(0);
    expect(checkHistory(await readHistory(flow.kafka, flow.topics, flow.group, url))).toEqual([]);
  };

  it.for([
    { how: 'directly', isPooled: false },
    { how: 'behind PgBouncer', isPooled: true },
  ])(
    'a synchronous one, reached $how, under load: each command is answered once',
    { timeout: 300_000 },
    async ({ isPooled }, { skip }) => {
      const servers = await startPair(true);
      if (!servers) return skip();
      bouncer = isPooled ? await pgBouncerOrSkip(servers.url) : null;
      if (isPooled && !bouncer) return skip();
      const environment = flow.environment(
        brokers ?? '',
        bouncer?.urlOf(servers.url) ?? servers.url,
      );
      await using service = await ServiceProcess.start(environment, directory);
      await using other = await ServiceProcess.start(environment, directory);
      await sharedOut([service, other]);
      await flow.bringStock();
      let isOver = false;
      const sending = flow.send(1, COMMANDS, () => isOver);
      await eventually(async () => expect(await flow.lag()).toBeGreaterThan(0));
      await servers.failOver();
      const startedMs = performance.now();
      const ends = await flow.ends();
      await eventually(async () => expect(await flow.lag(ends)).toBe(0), { withinMs: RECOVERY_MS });
      process.stdout.write(
        `Failed over: answered after ${Math.round(performance.now() - startedMs)} ms\n`,
      );
      isOver = true;
      await sending;
      await waitForAnswers(PATIENCE_MS);
      expect(await other.stop()).toBe(0);
      await expectRightHistory(service, servers.url);
    },
  );

  it('an asynchronous one that lacks commits is refused by every lane until rebuilt', async ({
    skip,
  }) => {
    const servers = await startPair(false);
    if (!servers) return skip();
    const environment = flow.environment(brokers ?? '', servers.url);
    await using service = await ServiceProcess.start(environment, directory);
    await using other = await ServiceProcess.start(environment, directory);
    await sharedOut([service, other]);
    await loseCommits(servers);
    // A process also tells of the partitions that it gave back, which the other one may have now.
    const refused = async () => {
      const problems = await Promise.all([service, other].map(problemsOf));
      const older = problems
        .flat()
        .filter((problem) => problem.includes('the database is older than the topics'));
      return new Set(older.flatMap((problem) => /^Partition (\d+)/.exec(problem)?.[1] ?? []));
    };
    await eventually(async () => expect((await refused()).size).toBe(LANES), {
      withinMs: RECOVERY_MS,
    });
    expect(await flow.lag()).toBe(COMMANDS);
    expect(await other.stop()).toBe(0);
    expect(await service.stop()).toBe(0);
    const rebuild = ['replay', 'rebuild', '--into', servers.url, '--from-copy', '--execute'];
    expect(await runCli(environment, directory, rebuild)).toMatchObject({ code: 0 });
    await using next = await ServiceProcess.start(environment, directory);
    await waitForAnswers(PATIENCE_MS);
    await expectRightHistory(next, servers.url);
  }, 300_000);

  it('with AUTO_RECOVER and commits lost, instances end, and recover when restarted', async ({
    skip,
  }) => {
    const servers = await startPair(false);
    if (!servers) return skip();
    const environment = { ...flow.environment(brokers ?? '', servers.url), AUTO_RECOVER: 'true' };
    await using service = await ServiceProcess.start(environment, directory);
    await using other = await ServiceProcess.start(environment, directory);
    await sharedOut([service, other]);
    await loseCommits(servers);
    const exitCodes = () => [service, other].map(({ exitCode }) => exitCode);
    await eventually(() => expect(exitCodes()).toEqual([1, 1]), { withinMs: RECOVERY_MS });
    const startedMs = performance.now();
    await using next = await ServiceProcess.start(environment, directory);
    await using second = await ServiceProcess.start(environment, directory);
    await waitForAnswers(PATIENCE_MS);
    process.stdout.write(
      `Recovered: answered after ${Math.round(performance.now() - startedMs)} ms\n`,
    );
    expect(await second.stop()).toBe(0);
    await expectRightHistory(next, servers.url);
  }, 300_000);
});
