// @module-tag db
// @module-tag kafka
// @module-tag slow
// @module-tag campaign

import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import SqliteDatabase from 'better-sqlite3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { CommandFlow, workingLanes } from '../support/command-flow.ts';
import { eventually } from '../support/eventually.ts';
import { underLoad } from '../support/instances.ts';
import { checkHistory } from '../support/judge/check-history.ts';
import { lockFromAnotherProcess } from '../support/lock.ts';
import { readHistory } from '../support/read-history.ts';
import { canMakeReadOnly, makeReadOnly } from '../support/read-only.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { readTopic } from '../support/topic-reader.ts';

const COMMANDS = 2_000;
const LANES = 4;
/** The target is 10 s. In the gate, a shared machine may add 20 s. */
const RECOVERY_MS = process.env.FAULTS === 'all' ? 10_000 : 30_000;
/** The write-ahead log alone may grow to 32 MB before its checkpoint. */
const DISK_MB = 64;

const run = promisify(execFile);
const brokers = inject('kafkaBrokers');

describe.skipIf(!brokers)('the service on real Kafka and SQLite, when its storage fails', () => {
  let directory: string;
  let disk: string;
  let isMounted: boolean;
  let flow: CommandFlow;
  let file: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-'));
    disk = join(directory, 'disk');
    await mkdir(disk);
    // Only root may mount. Without root, the test limits the size of the service's files.
    isMounted = await run('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m`, 'tmpfs', disk]).then(
      () => true,
      () => false,
    );
  });

  afterAll(async () => {
    if (isMounted) await run('umount', [disk]);
    await rm(directory, { recursive: true, force: true });
  });

  beforeEach(async () => {
    flow = new CommandFlow(brokers ?? '');
    file = join(disk, `${flow.run}.db`);
    await flow.connect();
  });

  afterEach(async () => {
    await flow.disconnect();
    for (const suffix of ['', '-wal', '-shm']) await rm(file + suffix, { force: true });
  });

  const start = () =>
    ServiceProcess.start(flow.environment(brokers ?? '', `sqlite:///${file}`), directory);
  const waitForLog = (service: ServiceProcess, why: string | RegExp) =>
    eventually(() => expect(service.output.join('\n')).toMatch(why), { withinMs: 30_000 });
  const waitForAnswers = (withinMs: number) =>
    eventually(async () => expect(await flow.lag()).toBe(0), { withinMs });
  const expectRightHistory = async (service: ServiceProcess) => {
    expect(await service.stop()).toBe(0);
    expect(
      checkHistory(await readHistory(flow.kafka, flow.topics, flow.group, `sqlite:///${file}`)),
    ).toEqual([]);
  };

  const fill = async () => {
    const filler = join(disk, 'filler');
    await expect(writeFile(filler, Buffer.alloc(DISK_MB * 1024 * 1024))).rejects.toThrow('ENOSPC');
    return () => rm(filler);
  };
  const limitFiles = async ({ pid }: ServiceProcess) => {
    const limit = (soft: string) =>
      run('prlimit', ['--pid', String(pid), `--fsize=${soft}:unlimited`]);
    await limit(String((await stat(`${file}-wal`)).size));
    return () => limit('unlimited');
  };
  const positions = () => {
    const database = new SqliteDatabase(file, { readonly: true });
    const rows = database.prepare('select * from source_positions order by topic, partition').all();
    database.close();
    return rows;
  };

  it('goes on when another process unlocks the database under load', async () => {
    await using service = await start();
    await workingLanes(service.url, LANES);
    await flow.bringStock();
    await underLoad(flow, 0, COMMANDS, async () => {
      const unlock = await lockFromAnotherProcess(file);
      await waitForLog(service, /Partition \d+ stopped/);
      await unlock();
    });
    await waitForAnswers(RECOVERY_MS);
    await expectRightHistory(service);
  }, 120_000);

  it('goes on when a full disk has room again under load', async ({ skip }) => {
    skip(
      !isMounted && process.platform !== 'linux',
      'this machine can neither mount a file system of a given size nor limit a file',
    );
    await using service = await start();
    await workingLanes(service.url, LANES);
    await flow.bringStock();
    const makeRoom = await (isMounted ? fill() : limitFiles(service));
    await flow.send(0, COMMANDS);
    await waitForLog(
      service,
      isMounted
        ? 'full'
        : /Partition \d+ stopped: The database cannot execute the statement now: disk I\/O error/,
    );
    await makeRoom();
    await waitForAnswers(RECOVERY_MS);
    await expectRightHistory(service);
  }, 120_000);

  it('goes on when a read-only database is writable again under load', async ({ skip }) => {
    skip(
      !(await canMakeReadOnly(directory)),
      'an open file cannot be made read-only on this machine',
    );
    file = join(directory, `${flow.run}.db`);
    await using service = await start();
    await workingLanes(service.url, LANES);
    await flow.bringStock();
    await underLoad(flow, 0, COMMANDS, async () => {
      const makeWritable = await makeReadOnly(file, `${file}-wal`);
      try {
        await waitForLog(
          service,
          /Partition \d+ stopped: The database cannot execute the statement now/,
        );
        // A lane opens by reading alone, and fails at its first command. In between, the service
        // says that it is ready.
        await eventually(async () =>
          expect((await fetch(`${service.url}/readyz`)).status).toBe(503),
        );
      } finally {
        await makeWritable();
      }
    });
    await waitForAnswers(RECOVERY_MS);
    await expectRightHistory(service);
  }, 120_000);

  it('refuses an old copy of the database, and goes on with the right one', async () => {
    const copy = `${file}.copy`;
    await using first = await start();
    await flow.bringStock();
    await flow.send(0, COMMANDS);
    await waitForAnswers(60_000);
    expect(await first.stop()).toBe(0);
    await copyFile(file, copy);
    await using second = await start();
    await flow.send(1, COMMANDS);
    await waitForAnswers(60_000);
    expect(await second.stop()).toBe(0);
    await copyFile(file, `${file}.right`);
    await copyFile(copy, file);
    await using third = ServiceProcess.spawn(
      flow.environment(brokers ?? '', `sqlite:///${file}`),
      directory,
    );
    await third.listens();
    await flow.send(2, COMMANDS);
    await waitForLog(third, 'the database is older than the topics');
    expect((await fetch(`${third.url}/readyz`)).status).toBe(503);
    expect(await flow.lag()).toBe(COMMANDS);
    expect(third.output.filter((line) => line.includes('"Ready'))).toEqual([]);
    expect(await third.stop()).toBe(0);
    await copyFile(`${file}.right`, file);
    await using fourth = await start();
    await waitForAnswers(60_000);
    await expectRightHistory(fourth);
  }, 180_000);

  it('refuses a commands topic that is deleted and created again', async () => {
    await using service = await start();
    await flow.send(0, COMMANDS);
    await waitForAnswers(60_000);
    const before = {
      positions: positions(),
      events: (await readTopic(flow.kafka, flow.topics.events)).length,
    };
    const admin = flow.kafka.admin();
    await admin.connect();
    const topic = flow.topics.commands;
    await admin.deleteTopics({ topics: [topic] });
    await eventually(() => admin.createTopics({ topics: [{ topic, numPartitions: LANES }] }));
    await admin.disconnect();
    // The new topic ends beyond the lanes' positions, so its end does not show the change.
    await eventually(() => flow.send(1, 2 * COMMANDS));
    await eventually(
      async () =>
        expect(await (await fetch(`${service.url}/readyz`)).text()).toContain('re-created'),
      {
        withinMs: 20_000,
      },
    );
    expect(await service.stop()).toBe(0);
    expect({
      positions: positions(),
      events: (await readTopic(flow.kafka, flow.topics.events)).length,
    }).toEqual(before);
  }, 120_000);

  it('gives lanes to partitions that are added to the commands topic under load', async () => {
    await using service = await start();
    await workingLanes(service.url, LANES);
    await flow.bringStock();
    const sending = flow.send(0, COMMANDS);
    const admin = flow.kafka.admin();
    await admin.connect();
    await admin.createPartitions({
      topicPartitions: [{ topic: flow.topics.commands, count: 2 * LANES }],
    });
    await admin.disconnect();
    await sending;
    await workingLanes(service.url, 2 * LANES);
    await flow.send(1, COMMANDS);
    await waitForAnswers(60_000);
    await expectRightHistory(service);
  }, 120_000);
});
