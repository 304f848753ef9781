// @module-tag db
// @module-tag slow
// @module-tag campaign

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CommandFlow, workingLanes } from '../support/command-flow.ts';
import { eventually } from '../support/eventually.ts';
import { FaultyProxy } from '../support/faulty-proxy.ts';
import { freePort } from '../support/free-port.ts';
import { checkHistory } from '../support/judge/check-history.ts';
import type { TestKafka } from '../support/kafka.ts';
import { startJavaKafka } from '../support/kafka-java/start.ts';
import { readHistory } from '../support/read-history.ts';
import { RecoveryTimes } from '../support/recovery-times.ts';
import { ServiceProcess } from '../support/service-process.ts';

const COMMANDS_PER_FAULT = 200;
const LANES = 4;
/** How long a recovery may take after the end of a fault. */
const TARGET_MS = 10_000;
/** Longer than the group's session of 6 s, and than the client's timeout of 10 s. */
const CUT_MS = 12_000;
/** With FAULTS=all, each fault happens as often as the fault campaign asks for. */
const isWhole = process.env.FAULTS === 'all';
const TIMES = isWhole ? { answers: 10, resets: 20, cuts: 10 } : { answers: 3, resets: 5, cuts: 1 };

let kafka: TestKafka | null = null;
let proxy: FaultyProxy;
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'allocation-'));
  const port = await freePort();
  proxy = await FaultyProxy.open(port);
  kafka = await startJavaKafka(port).catch((reason: Error) => {
    if (process.env.CI) throw reason;
    process.stderr.write(`Tests that break connections are skipped: ${reason.message}\n`);
    return null;
  });
});

afterAll(async () => {
  await proxy.close();
  await kafka?.stop();
  await rm(directory, { recursive: true, force: true });
});

it('the service answers each command once and soon, however its connections break', async ({
  skip,
}) => {
  skip(!kafka);
  const flow = new CommandFlow(kafka?.brokers ?? '');
  await flow.connect();
  const databaseUrl = `sqlite:///${join(directory, 'allocation.db')}`;
  await using service = await ServiceProcess.start(
    flow.environment(`127.0.0.1:${proxy.port}`, databaseUrl),
    directory,
  );
  await workingLanes(service.url, LANES);
  await flow.bringStock();
  const times = new RecoveryTimes();
  let round = 0;
  for (const fault of faults()) {
    process.stdout.write(`${fault.name}\n`);
    let isOver = false;
    const sending = flow.send(round, COMMANDS_PER_FAULT, () => isOver);
    await fault.happen();
    const endedMs = performance.now();
    const ends = await flow.ends();
    await eventually(async () => expect(await flow.lag(ends)).toBe(0), { withinMs: 60_000 });
    await workingLanes(service.url, LANES);
    times.add(fault.name, performance.now() - endedMs, TARGET_MS);
    isOver = true;
    await sending;
    round += 1;
  }
  process.stdout.write(times.text());
  await eventually(async () => expect(await flow.lag()).toBe(0), { withinMs: 60_000 });
  expect(await service.stop()).toBe(0);
  await flow.disconnect();
  const history = await readHistory(flow.kafka, flow.topics, flow.group, databaseUrl);
  expect(history.commands).toHaveLength(flow.sent);
  expect(
    checkHistory(history),
    service.output.filter((line) => line.includes('left behind')).join('\n'),
  ).toEqual([]);
  expect(times.complaints()).toEqual([]);
}, 600_000);

interface Fault {
  readonly name: string;
  happen(): Promise<void>;
}

function* faults(): Generator<Fault> {
  for (let time = 0; time < TIMES.answers; time += 1) {
    for (const kind of ['Produce', 'EndTxn'] as const)
      yield { name: `the answer to ${kind} lost`, happen: () => proxy.loseAnswer(kind) };
    yield {
      name: 'the answer to InitProducerId lost',
      happen: async () => {
        // A lane whose commit has an unknown outcome opens a new producer, which asks for an id.
        await proxy.loseAnswer('EndTxn');
        await proxy.loseAnswer('InitProducerId');
      },
    };
  }
  for (let time = 0; time < TIMES.resets; time += 1) {
    yield { name: 'reset', happen: async () => proxy.reset() };
  }
  for (let time = 0; time < TIMES.cuts; time += 1) {
    yield {
      name: 'black hole',
      happen: async () => {
        proxy.beginBlackHole();
        await sleep(CUT_MS);
        proxy.endBlackHole();
      },
    };
    yield { name: 'stalled', happen: () => proxy.stall(CUT_MS) };
  }
}
