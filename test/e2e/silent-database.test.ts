// @module-tag db
// @module-tag kafka
// @module-tag slow
// @module-tag campaign

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { CommandFlow, workingLanes } from '../support/command-flow.ts';
import { postgresDatabase } from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';
import { checkHistory } from '../support/judge/check-history.ts';
import { readHistory } from '../support/read-history.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

const COMMANDS = 500;
const LANES = 4;
/** The target is a quarter of this. A busy machine may need the rest. */
const RECOVERY_MS = 60_000;
const brokers = inject('kafkaBrokers');

describe.skipIf(!brokers || inject('postgresUrl') === null)(
  'when the connections to PostgreSQL go silent, and new ones work',
  () => {
    let directory: string;
    let database: Awaited<ReturnType<typeof postgresDatabase>>;
    let proxy: TcpProxy;
    let flow: CommandFlow;
    let url: URL;

    beforeEach(async () => {
      directory = await mkdtemp(join(tmpdir(), 'allocation-'));
      database = await postgresDatabase();
      url = new URL(database.url);
      proxy = await TcpProxy.open(Number(url.port));
      url.hostname = '127.0.0.1';
      url.port = String(proxy.port);
      flow = new CommandFlow(brokers ?? '');
      await flow.connect();
    });

    afterEach(async () => {
      await flow.disconnect();
      await proxy.close();
      await database.remove();
      await rm(directory, { recursive: true, force: true });
    });

    it('each command is still answered once, under load and at rest', async () => {
      await using service = await ServiceProcess.start(
        flow.environment(brokers ?? '', url.href),
        directory,
      );
      await workingLanes(service.url, LANES);
      await flow.bringStock();
      const waitForAnswers = async (moment: string) => {
        const startedMs = performance.now();
        const ends = await flow.ends();
        await eventually(async () => expect(await flow.lag(ends)).toBe(0), {
          withinMs: RECOVERY_MS,
        });
        process.stdout.write(
          `Silent ${moment}: answered after ${Math.round(performance.now() - startedMs)} ms\n`,
        );
      };
      let isOver = false;
      const sending = flow.send(1, COMMANDS, () => isOver);
      await eventually(async () => expect(await flow.lag()).toBeGreaterThan(0));
      proxy.silence();
      await waitForAnswers('under load');
      isOver = true;
      await sending;
      await eventually(async () => expect(await flow.lag()).toBe(0), { withinMs: RECOVERY_MS });
      proxy.silence();
      await flow.send(2, COMMANDS);
      await waitForAnswers('at rest');
      await workingLanes(service.url, LANES);
      expect(await service.stop()).toBe(0);
      expect(
        checkHistory(await readHistory(flow.kafka, flow.topics, flow.group, database.url)),
      ).toEqual([]);
    }, 300_000);
  },
);
