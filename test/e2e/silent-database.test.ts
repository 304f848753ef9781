// @module-tag db
// @module-tag kafka
// @module-tag slow

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { checkHistory } from '../support/check-history.ts';
import { CommandFlow, workingLanes } from '../support/command-flow.ts';
import { postgresDatabase } from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';
import { readHistory } from '../support/read-history.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

const COMMANDS = 500;
const LANES = 4;
/** A quarter of it is the target. The rest is for a machine that has other work. */
const RECOVERY_MS = 60_000;
const brokers = inject('kafkaBrokers');

describe.skipIf(!brokers || inject('postgresUrl') === null)(
  'the connections to PostgreSQL go silent, and new ones work',
  () => {
    let directory: string;
    let place: Awaited<ReturnType<typeof postgresDatabase>>;
    let proxy: TcpProxy;
    let flow: CommandFlow;
    let url: URL;

    beforeEach(async () => {
      directory = await mkdtemp(join(tmpdir(), 'allocation-'));
      place = await postgresDatabase();
      url = new URL(place.url);
      proxy = await TcpProxy.open(Number(url.port));
      url.hostname = '127.0.0.1';
      url.port = String(proxy.port);
      flow = new CommandFlow(brokers ?? '');
      await flow.connect();
    });

    afterEach(async () => {
      await flow.disconnect();
      await proxy.close();
      await place.remove();
      await rm(directory, { recursive: true, force: true });
    });

    it('under load and at rest: the answers go on, each once', async () => {
      await using service = await ServiceProcess.start(
        flow.environment(brokers ?? '', url.href),
        directory,
      );
      await workingLanes(service.url, LANES);
      await flow.bringStock();
      const answered = async (what: string) => {
        const startedMs = performance.now();
        const ends = await flow.ends();
        await eventually(async () => expect(await flow.lag(ends)).toBe(0), {
          withinMs: RECOVERY_MS,
        });
        process.stdout.write(
          `Silent ${what}: answered after ${Math.round(performance.now() - startedMs)} ms\n`,
        );
      };
      let isOver = false;
      const sending = flow.send(1, COMMANDS, () => isOver);
      await eventually(async () => expect(await flow.lag()).toBeGreaterThan(0));
      proxy.silence();
      await answered('under load');
      isOver = true;
      await sending;
      await eventually(async () => expect(await flow.lag()).toBe(0), { withinMs: RECOVERY_MS });
      proxy.silence();
      await flow.send(2, COMMANDS);
      await answered('at rest');
      await workingLanes(service.url, LANES);
      expect(await service.stop()).toBe(0);
      expect(
        checkHistory(await readHistory(flow.kafka, flow.topics, flow.group, place.url)),
      ).toEqual([]);
    }, 300_000);
  },
);
