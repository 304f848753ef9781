// @module-tag db

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Database } from '../../src/adapters/database/database.ts';
import { readPauses } from '../../src/adapters/database/lanes/pause-rows.ts';
import { bootstrap, type Service } from '../../src/bootstrap.ts';
import { type Config, readConfig } from '../../src/config.ts';
import type { ReceivedRecord } from '../../src/service-layer/records.ts';
import { runCliHere } from '../support/cli.ts';
import { eventually } from '../support/eventually.ts';

const REFERENCES = Array.from({ length: 20 }, (_, n) => `batch-${n}`);

interface LaneView {
  readonly partition: number;
  readonly state: string;
  readonly position: number | null;
  readonly lagMessages: number | null;
  readonly lagSeconds: number | null;
  readonly paused: { readonly by: string; readonly reason: string } | null;
}

describe('a pause of a lane', () => {
  let directory: string;
  let environment: Record<string, string>;
  let config: Config;
  let service: Service;
  let log: Record<string, unknown>[];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-pause-'));
    environment = {
      DATABASE_URL: `sqlite:///${join(directory, 'allocation.db')}`,
      TOPIC_PARTITIONS: '2',
      HTTP_PORT: '0',
      AUDIT_TOPIC: 'allocation.audit',
    };
    config = readConfig(environment);
    await start();
  });
  afterEach(async () => {
    await service.close();
    await rm(directory, { recursive: true, force: true });
  });

  async function start(): Promise<void> {
    log = [];
    const write = (line: string) => void log.push(JSON.parse(line));
    service = await bootstrap(config, pino({ level: 'info' }, { write }));
    await service.start();
    await eventually(() => expect(service.problems()).toEqual([]));
  }

  const cli = (...args: string[]) => runCliHere(environment, directory, args);
  const get = async <T>(path: string): Promise<T> =>
    (await fetch(`${service.http.url}${path}`)).json() as Promise<T>;
  const post = (path: string, body: object) =>
    fetch(`${service.http.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const laneOf = async (partition: number) => {
    const { lanes } = await get<{ lanes: LaneView[] }>('/status');
    return lanes.find((lane) => lane.partition === partition);
  };
  /** Everything that the HTTP API takes goes to partition 0. */
  const send = (references: readonly string[]) =>
    Promise.all(
      references.map((reference) =>
        post('/commands', { id: reference, type: 'CreateBatch', reference, sku: 'L', quantity: 1 }),
      ),
    );
  /** The batches that the events name, in the order of the topic. */
  async function created(): Promise<readonly string[]> {
    const records: ReceivedRecord[] = [];
    const ranges = await service.broker.offsetRanges(config.eventsTopic);
    await service.broker.read(config.eventsTopic, ranges, async (chunk) => {
      records.push(...chunk.records);
    });
    return records.map(({ value }) => JSON.parse(String(value)).reference);
  }

  it('survives a restart, and after the resume each command is answered once', async () => {
    const answer = await post('/lanes/0/pause', { reason: 'wrong prices' });
    expect([answer.status, await answer.json()]).toMatchObject([
      200,
      { partition: 0, paused: { by: 'anonymous', reason: 'wrong prices' } },
    ]);
    for (const reference of REFERENCES) await send([reference]);
    await service.close();
    await start();
    await eventually(async () =>
      expect(await laneOf(0)).toMatchObject({
        state: 'paused',
        position: 0,
        lagMessages: REFERENCES.length,
        paused: { by: 'anonymous', reason: 'wrong prices' },
      }),
    );
    expect(await laneOf(0)).toMatchObject({ lagSeconds: expect.any(Number) });
    expect(await get('/readyz')).toMatchObject({
      status: 'ready',
      problems: [],
      notes: [expect.stringMatching(/^Partition 0 is paused by anonymous since .*wrong prices/)],
    });
    expect(log.map(({ msg }) => msg)).toContainEqual(
      expect.stringMatching(/^Partition 0 is paused .* npx allocation lanes resume 0$/),
    );
    // The other lane goes on.
    await service.broker.publish(config.commandsTopic, [
      {
        key: null,
        partition: 1,
        headers: {},
        value: '{"type":"CreateBatch","reference":"other","sku":"M","quantity":1}',
      },
    ]);
    await eventually(async () => expect(await created()).toEqual(['other']));

    expect((await post('/lanes/0/resume', {})).status).toBe(200);
    await eventually(async () => expect(await created()).toHaveLength(REFERENCES.length + 1));
    expect((await created()).filter((reference) => reference !== 'other')).toEqual(REFERENCES);
    await eventually(async () =>
      expect(await laneOf(0)).toMatchObject({ state: 'working', lagMessages: 0, paused: null }),
    );
    expect(await get('/readyz')).not.toHaveProperty('notes');
  });

  it('works from the command line within a second or so, and is recorded', async () => {
    expect(await cli('lanes', 'pause', '1', '--reason', 'a look')).toMatchObject({ code: 0 });
    await eventually(async () => expect(await laneOf(1)).toMatchObject({ state: 'paused' }), {
      withinMs: 5_000,
    });
    const listed = await cli('lanes', '--json');
    expect(JSON.parse(listed.stdout).lanes).toMatchObject([
      { partition: 0, position: 0, paused: null },
      { partition: 1, position: 0, paused: { reason: 'a look' } },
    ]);
    expect((await cli('lag')).stdout).toMatch(/Partition 1 is paused by .* \(a look\)/);
    expect(await cli('lanes', 'resume', '1')).toMatchObject({ code: 0 });
    await eventually(async () => expect(await laneOf(1)).toMatchObject({ state: 'working' }), {
      withinMs: 5_000,
    });
    const acts = await cli('tail', '--topic', 'audit', '--until-end', '--json');
    expect(acts.stdout.match(/"lanes (pause|resume)"/g)).toHaveLength(4);
  });

  it('needs a lane, a partition and a reason', async () => {
    expect(await cli('lanes', 'pause', '7', '--reason', 'r')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('never opened a lane 7'),
    });
    expect(await cli('lanes', 'pause', 'x', '--reason', 'r')).toMatchObject({ code: 2 });
    expect(await cli('lanes', 'pause', '0')).toMatchObject({ code: 2 });
    expect(await cli('lanes', 'pause', '0', '--reason', '')).toMatchObject({ code: 2 });
    expect((await post('/lanes/7/pause', { reason: 'r' })).status).toBe(404);
  });

  it('is in a snapshot of the database', async () => {
    await post('/lanes/1/pause', { reason: 'r' });
    const copy = `sqlite:///${join(directory, 'copy.db')}`;
    await service.close();
    expect(await cli('replay', 'snapshot', '--into', copy, '--execute')).toMatchObject({ code: 0 });
    const database = await Database.openExisting(copy);
    expect((await readPauses(database, config.commandsTopic)).get(1)).toMatchObject({
      reason: 'r',
    });
    await database.close();
    await start();
  });
});
