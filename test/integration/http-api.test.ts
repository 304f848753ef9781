// @module-tag db

import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Database } from '../../src/adapters/database/database.ts';
import { eventually } from '../support/eventually.ts';
import { lockFromAnotherProcess } from '../support/lock.ts';
import { RunningService } from '../support/running-service.ts';

const JSON_TYPE = { 'content-type': 'application/json' };

describe('the HTTP API', () => {
  let running: RunningService;
  let url: string;

  beforeAll(async () => {
    running = await RunningService.start({});
    url = running.service.http.url ?? '';
  });

  afterAll(async () => running[Symbol.asyncDispose]());

  const get = (path: string) => fetch(`${url}${path}`);

  it('streams live events to everybody who listens, and outlives those who leave', async () => {
    const [leaver, stayer] = [new AbortController(), new AbortController()];
    const streams = await Promise.all(
      [leaver, stayer].map(({ signal }) => fetch(`${url}/events`, { signal })),
    );
    expect(streams.map(({ headers }) => headers.get('content-type'))).toEqual([
      'text/event-stream; charset=utf-8',
      'text/event-stream; charset=utf-8',
    ]);
    leaver.abort();
    await running.send({ type: 'CreateBatch', reference: 'live', sku: 'LIVE', quantity: 1 });
    let text = '';
    for await (const chunk of streams[1]?.body ?? []) {
      text += Buffer.from(chunk).toString();
      if (text.includes('LIVE')) break;
    }
    const [, data = ''] = /^data: (.*)$/m.exec(text) ?? [];
    expect(text).toMatch(/^event: BatchCreated$/m);
    expect(JSON.parse(data)).toMatchObject({
      specversion: '1.0',
      type: 'BatchCreated',
      subject: 'LIVE',
      data: { reference: 'live' },
    });
  });

  it('is alive, ready, and counts', async () => {
    expect((await get('/healthz')).status).toBe(200);
    expect(await (await get('/readyz')).json()).toEqual({ status: 'ready', problems: [] });
    const text = await (await get('/metrics')).text();
    expect(text).toMatch(/^allocation_events_total\{type="BatchCreated"\} \d+$/m);
    expect(text).toMatch(/^allocation_lanes\{state="working"\} 2$/m);
  });

  it('is reached at localhost when it listens on all interfaces, and says both', async () => {
    await using other = await RunningService.start({ HTTP_HOST: '0.0.0.0', HTTP_AUTH: 'none' });
    const { url: address } = other.service.http;
    expect(address).toMatch(/^http:\/\/localhost:\d+$/);
    expect((await fetch(`${address}/healthz`)).status).toBe(200);
    expect(other.log.map(({ msg }) => msg)).toContain(
      `The HTTP API listens on ${address}, and on all interfaces`,
    );
  });

  it('says which process works while this one stands by, and is ready', async () => {
    const database = await Database.open('sqlite:///:memory:');
    await database.runMigrations();
    await database.query(
      `insert into log_group_leases (group_id, topic, member_id, leased_until_ms)
       values ('standby', 'standby-commands', 'member/4711', ?)`,
      [Date.now() + 3_600_000],
    );
    await using other = await RunningService.start({
      DATABASE_URL: 'sqlite:///:memory:',
      KAFKA_GROUP_ID: 'standby',
      COMMANDS_TOPIC: 'standby-commands',
    });
    const standby = 'Standing by: process 4711 works on this file';
    const readiness = async () => {
      const answer = await fetch(`${other.service.http.url}/readyz`);
      return { code: answer.status, ...((await answer.json()) as object) };
    };
    const ready = { code: 200, status: 'ready', problems: [] };
    expect(await readiness()).toEqual({ ...ready, standby });
    expect(other.log.map(({ msg }) => msg)).toContain(standby);
    // Nobody renews that lease.
    await eventually(async () => expect(await readiness()).toEqual(ready), { withinMs: 30_000 });
  });

  it('says 503, and when to try again, while the log cannot take a command', async () => {
    await using other = await RunningService.start({});
    const command = {
      method: 'POST',
      body: '{"type":"DeallocateOrder","orderid":"o"}',
      headers: JSON_TYPE,
    };
    const unlock = await lockFromAnotherProcess(other.config.databaseUrl.replace('sqlite:///', ''));
    const refused = await fetch(`${other.service.http.url}/commands`, command);
    await unlock();
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '2']);
    expect((await fetch(`${other.service.http.url}/commands`, command)).status).toBe(202);
  });

  it('stops although a client still listens', async () => {
    const other = await RunningService.start({});
    const client = request(`${other.service.http.url}/events`).on('error', () => {});
    const ended = new Promise((resolve) => client.once('close', resolve));
    client.end();
    await new Promise((resolve) =>
      client.once('response', (response) => resolve(response.resume().on('error', () => {}))),
    );
    await other[Symbol.asyncDispose]();
    await ended;
  });
});
