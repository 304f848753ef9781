// @module-tag db
// @module-tag kafka
// @module-tag slow
// @module-tag campaign

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { CommandFlow } from '../support/command-flow.ts';
import { postgresDatabase } from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';
import { checkHistory } from '../support/judge/check-history.ts';
import { type PgBouncer, pgBouncerOrSkip } from '../support/pgbouncer.ts';
import { readHistory } from '../support/read-history.ts';
import { ServiceProcess } from '../support/service-process.ts';

const COMMANDS = 2_000;
const PATIENCE_MS = 60_000;
const brokers = inject('kafkaBrokers');

describe.skipIf(!brokers || inject('postgresUrl') === null)(
  'two instances behind PgBouncer in transaction mode',
  () => {
    let directory: string;
    let database: Awaited<ReturnType<typeof postgresDatabase>>;
    let bouncer: PgBouncer | null;
    let flow: CommandFlow;

    beforeEach(async () => {
      directory = await mkdtemp(join(tmpdir(), 'allocation-'));
      database = await postgresDatabase();
      bouncer = await pgBouncerOrSkip(database.url);
      flow = new CommandFlow(brokers ?? '');
      await flow.connect();
    });

    afterEach(async () => {
      await flow.disconnect();
      await bouncer?.stop();
      await database.remove();
      await rm(directory, { recursive: true, force: true });
    });

    it('answer each command once when one is killed and the other is stopped', async ({ skip }) => {
      skip(!bouncer, 'there is no PgBouncer');
      const environment = flow.environment(brokers ?? '', bouncer?.urlOf(database.url) ?? '');
      const start = () => ServiceProcess.spawn(environment, directory);
      await using first = start();
      await using second = start();
      await Promise.all([first.ready(), second.ready()]);
      await flow.bringStock();
      const sending = flow.send(1, COMMANDS);
      await eventually(async () => expect(await flow.lag()).toBeGreaterThan(0));
      await first.stop('SIGKILL');
      process.kill(second.pid, 'SIGSTOP');
      await using third = start();
      await third.ready();
      await sending;
      await eventually(async () => expect(await flow.lag()).toBe(0), { withinMs: PATIENCE_MS });
      process.kill(second.pid, 'SIGCONT');
      expect(await second.stop()).toBe(0);
      expect(await third.stop()).toBe(0);
      expect(
        checkHistory(await readHistory(flow.kafka, flow.topics, flow.group, database.url)),
      ).toEqual([]);
    }, 240_000);
  },
);
