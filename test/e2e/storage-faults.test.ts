// @module-tag db
// @module-tag kafka
// @module-tag slow

import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import SqliteDatabase from 'better-sqlite3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { checkHistory } from '../support/check-history.ts';
import { CommandFlow, workingLanes } from '../support/command-flow.ts';
import { eventually } from '../support/eventually.ts';
import { underLoad } from '../support/instances.ts';
import { lockFromAnotherProcess } from '../support/lock.ts';
import { readHistory } from '../support/read-history.ts';
import { canMakeReadOnly, makeReadOnly } from '../support/read-only.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { readTopic } from '../support/topic-reader.ts';

const COMMANDS = 2_000;
const LANES = 4;
/** The target is 10 s. In the gate, a shared machine may add 20 s. */
const RECOVERY_MS = process.env.FAULTS === 'all' ? 10_000 : 30_000;
/** The write-ahead log alone may have 32 MB before it is checkpointed. */
const DISK_MB = 64;

const run = promisify(execFile);
const brokers = inject('kafkaBrokers');

describe.skipIf(!brokers)('what the service on real Kafka and SQLite rests on', () => {
  let directory: string;
  let disk: string;
  let isMounted: boolean;
  let flow: CommandFlow;
  let file: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-'));
    disk = join(directory, 'disk');
    await mkdir(disk);
    // Only root may. Else a limit to the size of the service's files must do.
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
  const waits = (service: ServiceProcess, why: string | RegExp) =>
    eventually(() => expect(service.output.join('\n')).toMatch(why), { withinMs: 30_000 });
  const answered = (withinMs: number) =>
    eventually(async () => expect(await flow.lag()).toBe(0), { withinMs });
  const isRight = async (service: ServiceProcess) => {
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

  it('another process locks the database under load: it goes on when the lock is gone', async () => {
    await using service = await start();
    await workingLanes(service.url, LANES);
    await flow.bringStock();
    await underLoad(flow, 0, COMMANDS, async () => {
      const unlock = await lockFromAnotherProcess(file);
      await waits(service, /Partition \d+ stopped/);
      await unlock();
    });
    await answered(RECOVERY_MS);
    await isRight(service);
  }, 120_000);

  it('the disk is full under load: it goes on when there is room', async ({ skip }) => {
    skip(
      !isMounted && process.platform !== 'linux',
      'neither can a file system of a given size be mounted here, nor a file be limited',
    );
    await using service = await start();
    await workingLanes(service.url, LANES);
    await flow.bringStock();
    const makeRoom = await (isMounted ? fill() : limitFiles(service));
    await flow.send(0, COMMANDS);
    await waits(
      service,
      isMounted
        ? 'full'
        : /Partition \d+ stopped: The database cannot execute the statement now: disk I\/O error/,
    );
    await makeRoom();
    await answered(RECOVERY_MS);
    await isRight(service);
  }, 120_000);

  it('the database is read-only under load: it goes on when it can be written', async ({
    skip,
  }) => {
    skip(!(await canMakeReadOnly(directory)), 'a file that is open cannot be made read-only here');
    file = join(directory, `${flow.run}.db`);
    await using service = await start();
    await workingLanes(service.url, LANES);
    await flow.bringStock();
    await underLoad(flow, 0, COMMANDS, async () => {
      const makeWritable = await makeReadOnly(file, `${file}-wal`);
      try {
        await waits(
          service,
          /Partition \d+ stopped: The database cannot execute the statement now/,
        );
        // A lane opens by reading alone, and fails at the first command: between the two it takes itself for ready.
        await eventually(async () =>
          expect((await fetch(`${service.url}/readyz`)).status).toBe(503),
        );
      } finally {
        await makeWritable();
      }
    });
    await answered(RECOVERY_MS);
    await isRight(service);
  }, 120_000);

  it('an old copy of the database is restored: it refuses, and goes on with the right one', async () => {
    const copy = `${file}.copy`;
    await using first = await start();
    await flow.bringStock();
    await flow.send(0, COMMANDS);
    await answered(60_000);
    expect(await first.stop()).toBe(0);
    await copyFile(file, copy);
    await using second = await start();
    await flow.send(1, COMMANDS);
    await answered(60_000);
    expect(await second.stop()).toBe(0);
    await copyFile(file, `${file}.right`);
    await copyFile(copy, file);
    await using third = ServiceProcess.spawn(
      flow.environment(brokers ?? '', `sqlite:///${file}`),
      directory,
    );
    await third.listens();
    await flow.send(2, COMMANDS);
    await waits(third, 'the database is older than the topics');
    expect((await fetch(`${third.url}/readyz`)).status).toBe(503);
    expect(await flow.lag()).toBe(COMMANDS);
    expect(third.output.filter((line) => line.includes('"Ready'))).toEqual([]);
    expect(await third.stop()).toBe(0);
    await copyFile(`${file}.right`, file);
    await using fourth = await start();
    await answered(60_000);
    await isRight(fourth);
  }, 180_000);

  it('the commands topic is deleted and created again: it refuses', async () => {
    await using service = await start();
    await flow.send(0, COMMANDS);
    await answered(60_000);
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
    // Beyond where the lanes stood, so that its end does not tell.
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

  it('partitions are added to the commands topic under load: they get lanes', async () => {
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
    await answered(60_000);
    await isRight(service);
  }, 120_000);
});
