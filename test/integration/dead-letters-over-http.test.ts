// @module-tag db

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { LetterPreview } from '../../src/dead-letters/letter-preview.ts';
import type { LetterView } from '../../src/dead-letters/letter-view.ts';
import type { JobView } from '../../src/jobs/job.ts';
import { MessageBus } from '../../src/service-layer/message-bus.ts';
import { bearer, TokenFile } from '../support/doors.ts';
import { eventually } from '../support/eventually.ts';
import { RunningService } from '../support/running-service.ts';

const AUDIT_TOPIC = 'allocation.audit';
/** The names of the tokens. */
const OPERATOR = 'the operateer';

/** Fails on commands about one product. */
class FaultyBus extends MessageBus {
  broken: string | null = null;

  override async handle(...[command, unitOfWork]: Parameters<MessageBus['handle']>) {
    const names = JSON.stringify(command);
    if (this.broken !== null && names.includes(this.broken))
      throw new Error(`no room for ${this.broken}`);
    return await super.handle(command, unitOfWork);
  }
}

describe('Dead letters over HTTP', () => {
  const bus = new FaultyBus({ notifications: { outOfStock: () => {} } });
  let tokens: TokenFile;
  let running: RunningService;

  beforeAll(async () => {
    tokens = await TokenFile.with('read', 'operate');
    const environment = {
      KAFKA_BROKERS: '',
      TOPIC_PARTITIONS: '1',
      AUDIT_TOPIC,
      HTTP_TOKENS_FILE: tokens.path,
    };
    running = await RunningService.start(environment, { bus });
  });
  afterAll(async () => {
    await running[Symbol.asyncDispose]();
    await tokens[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    bus.broken = null;
  });

  async function ask<T>(path: string, body?: object, role: 'read' | 'operate' = 'operate') {
    const answer = await fetch(`${running.service.http.url}${path}`, {
      method: body ? 'POST' : 'GET',
      headers: { ...bearer(tokens.tokenOf(role)), ...(body && JSON_TYPE) },
      body: body ? JSON.stringify(body) : null,
    });
    return { status: answer.status, headers: answer.headers, body: (await answer.json()) as T };
  }
  const JSON_TYPE = { 'content-type': 'application/json' };

  const list = async (query = '') =>
    (await ask<{ deadLetters: LetterView[]; total: number }>(`/dead-letters${query}`)).body;
  const pathOf = (id: string) => `/dead-letters/${encodeURIComponent(id)}`;

  /** Sends commands, and waits for the answers. */
  async function send(...commands: object[]): Promise<void> {
    await running.send(...commands);
    await running.idle();
  }

  const batchOf = (sku: string) => {
    return { type: 'CreateBatch', reference: `batch-${sku}`, sku, quantity: 9 };
  };
  const order = (orderid: string, sku: string, qty = 1) => {
    return { type: 'AllocateOrder', id: `cmd-${orderid}`, orderid, sku, qty };
  };

  /** Starts a job, and waits for its end. */
  async function job(path: string, body: object): Promise<JobView> {
    const { status, headers, body: begun } = await ask<JobView>(path, body);
    expect([status, headers.get('location')]).toEqual([202, `/jobs/${begun.id}`]);
    return ended(begun.id);
  }

  const ended = (id: string) =>
    eventually(
      async () => {
        const { body } = await ask<JobView>(`/jobs/${id}`, undefined, 'read');
        if (body.state === 'running') throw new Error(`The job runs: ${body.message}`);
        return body;
      },
      { withinMs: 60_000 },
    );

  it('lists a poisoned command as soon as it is one, edits it, and answers it', async () => {
    await send(batchOf('LAMP'), order('poisoned', 'LAMP', 0));
    const { deadLetters, total } = await list('?orderid=poisoned');
    const [letter] = deadLetters as [LetterView];
    expect([total, letter]).toMatchObject([
      1,
      { reason: 'invalid-data', type: 'AllocateOrder', sku: 'LAMP', outlook: 'fails-again' },
    ]);
    const edit = `${pathOf(letter.id)}/edit`;
    const whole = (await ask<LetterView>(pathOf(letter.id), undefined, 'read')).body;
    expect(whole.command).toEqual({
      type: 'AllocateOrder',
      data: { orderid: 'poisoned', sku: 'LAMP', qty: 0 },
    });

    const wrong = { orderid: 'poisoned', sku: 7, qty: 0, colour: 'red' };
    const refused = await ask(edit, { data: wrong, dryRun: true });
    expect(refused).toMatchObject({
      status: 400,
      body: {
        reason: 'invalid-data',
        errors: [{ field: 'sku' }, { field: 'qty' }, { field: 'colour' }],
      },
    });

    const right = { data: { orderid: 'poisoned', sku: 'LAMP', qty: 2 } };
    const preview = await ask<LetterPreview>(edit, { ...right, dryRun: true });
    expect(preview).toMatchObject({
      status: 200,
      body: { count: 1, failsAgain: 0, records: [{ id: letter.id, act: 'redrive' }] },
    });
    expect((await list('?orderid=poisoned')).total).toBe(1);

    const { state, done, total: all, result } = await job(edit, right);
    expect([state, done, all, result]).toMatchObject(['done', 1, 1, { redriven: 1 }]);
    await running.idle();
    const replacement = preview.body.replacement?.id ?? '';
    const source = '?source=/allocation/dead-letters';
    const answer = await ask(`/commands/${encodeURIComponent(replacement)}${source}`);
    expect(answer.body).toMatchObject({
      status: 'answered',
      events: [{ type: 'Allocated', data: { orderid: 'poisoned', qty: 2 } }],
    });
    expect((await list('?orderid=poisoned')).total).toBe(0);
    expect((await ask<LetterView>(pathOf(letter.id))).body).toMatchObject({
      status: 'redriven',
      acts: [{ act: 'edit', by: OPERATOR, replacedBy: replacement }],
    });
    expect((await ask(edit, { data: { orderid: 'other' }, type: 'DeallocateOrder' })).status).toBe(
      409,
    );
  });

  it('redrives a failed command with what is parked behind it, in their order', async () => {
    bus.broken = 'DESK';
    await send(batchOf('DESK'), order('first', 'DESK'), order('second', 'DESK'));
    const { deadLetters } = await list('?sku=DESK');
    const [batch, first, second] = deadLetters as [LetterView, LetterView, LetterView];
    expect([batch.reason, first.parkedBehind, second.parkedBehind]).toEqual([
      'handler-failed',
      batch.id,
      batch.id,
    ]);
    const { chain } = (await ask<LetterView>(pathOf(batch.id))).body;
    expect(chain).toEqual([batch.id, first.id, second.id]);

    const again = await job('/dead-letters/redrive', { ids: [batch.id] });
    expect(again).toMatchObject({
      state: 'done',
      result: { redriven: 3, failedAgain: { count: 1 } },
    });
    expect(JSON.stringify(again.result)).toContain('no room for DESK');

    bus.broken = null;
    const mended = await job('/dead-letters/redrive', { filter: { sku: 'DESK' } });
    expect(mended.result).toMatchObject({ redriven: 3, failedAgain: { count: 0 } });
    await running.idle();
    const orders = running.events.map(({ value }) => JSON.parse(String(value)));
    const allocated = orders.filter(({ sku, batchref }) => sku === 'DESK' && batchref);
    expect(allocated.map(({ orderid }) => orderid)).toEqual(['first', 'second']);
  });

  it('discards letters, and the audit says who did it', async () => {
    await send({ type: 'ShipOrder', id: 'odd-1' }, { type: 'ShipOrder', id: 'odd-2' });
    const filter = { reason: 'unknown-type' };
    const preview = await ask<LetterPreview>('/dead-letters/discard', { filter, dryRun: true });
    expect(preview.body).toMatchObject({ count: 2, records: [{ act: 'discard' }, {}] });
    const { result } = await job('/dead-letters/discard', { filter });
    expect(result).toMatchObject({ discarded: 2, redriven: 0 });
    const { body } = await ask<{ acts: object[] }>('/audit?limit=2');
    const about = { act: 'dead-letters discard', by: OPERATOR, from: 'http', options: filter };
    expect(body.acts).toMatchObject([
      { ...about, state: 'succeeded', done: { count: 2 } },
      { ...about, state: 'begun' },
    ]);
  });

  it('carries one act out at a time, and ends it when somebody cancels it', async () => {
    bus.broken = 'SOFA';
    await send(batchOf('SOFA'));
    bus.broken = null;
    // No lane answers the command, so the job waits.
    await ask('/lanes/0/pause', { reason: 'a test' });
    const first = await ask<JobView>('/dead-letters/redrive', { filter: { sku: 'SOFA' } });
    expect(first.status).toBe(202);
    const second = await ask('/dead-letters/discard', { all: true });
    expect(second).toMatchObject({
      status: 409,
      body: {
        job: first.body.id,
        detail: expect.stringContaining(`dead-letters redrive by ${OPERATOR}`),
      },
    });
    await eventually(async () => expect((await list('?sku=SOFA')).total).toBe(0));
    await ask(`/jobs/${first.body.id}/cancel`, {});
    expect(await ended(first.body.id)).toMatchObject({
      state: 'cancelled',
      message: `Cancelled by ${OPERATOR}`,
      done: 1,
    });
    await ask('/lanes/0/resume', {});
    await running.idle();
    expect((await ask('/products/SOFA')).status).toBe(200);
  });

  it('answers a command once that HTTP and the command line redrive at once', async () => {
    await send(batchOf('RUG'));
    bus.broken = 'RUG';
    await send(order('twice', 'RUG'));
    bus.broken = null;
    const [letter] = (await list('?orderid=twice')).deadLetters as [LetterView];
    const [byCli, byHttp] = await Promise.all([
      running.cli('dead-letters', 'redrive', letter.id, '--execute'),
      job('/dead-letters/redrive', { ids: [letter.id] }),
    ]);
    expect([byCli.code, byHttp.state]).toEqual([0, 'done']);
    await running.idle();
    const answers = running.events.filter(({ value }) => String(value).includes('"twice"'));
    expect(answers).toHaveLength(1);
    expect((await list('?orderid=twice')).total).toBe(0);
  });

  it('lets the role read look, and not act', async () => {
    for (const [path, body] of [
      ['/dead-letters/redrive', { all: true }],
      ['/dead-letters/discard', { all: true }],
      ['/dead-letters/x/edit', { data: {} }],
      ['/jobs/x/cancel', {}],
    ] as const)
      expect((await ask(path, body, 'read')).status).toBe(403);
    expect((await ask('/dead-letters', undefined, 'read')).status).toBe(200);
  });

  it('shows text of others unchanged, as JSON', async () => {
    const hostile = '<script>alert("1")</script>\u202e\u2028 & \u001b[31m';
    const headers = { 'x-<b>': `\u0007${hostile}` };
    const value = JSON.stringify({ type: hostile, orderid: '<img src=x>' });
    await send({ value, headers });
    const { deadLetters } = await list('?orderid=%3Cimg%20src%3Dx%3E');
    const [letter] = deadLetters as [LetterView];
    expect([letter.type, letter.orderid]).toEqual([hostile, '<img src=x>']);
    const whole = await ask<LetterView>(pathOf(letter.id));
    expect(whole.headers.get('content-type')).toMatch(/^application\/json/);
    expect(whole.headers.get('x-content-type-options')).toBe('nosniff');
    expect([whole.body.data, whole.body.encoding]).toEqual([value, 'utf-8']);
    expect(whole.body.headers).toContainEqual(['x-<b>', headers['x-<b>']]);
    await job('/dead-letters/discard', { ids: [letter.id] });
  });

  it('shows bytes that are no text in Base64', async () => {
    const value = Buffer.from([0xff, 0x00, 0xfe]);
    await send({ value, key: Buffer.from([0xff]), headers: { binary: Buffer.from([0xff]) } });
    const { deadLetters } = await list('?reason=malformed');
    const { body } = await ask<LetterView>(pathOf(deadLetters.at(-1)?.id ?? ''));
    expect([body.data, body.encoding, body.key]).toEqual([
      value.toString('base64'),
      'base64',
      '0xff',
    ]);
    expect(body.headers).toContainEqual(['binary', '0xff']);
    await job('/dead-letters/discard', { ids: [body.id] });
  });
});

it('A redrive over HTTP ends at a safe point when the service stops', async () => {
  const bus = new FaultyBus({ notifications: { outOfStock: () => {} } });
  bus.broken = 'LAMP';
  const running = await RunningService.start({ KAFKA_BROKERS: '', TOPIC_PARTITIONS: '1' }, { bus });
  try {
    await running.send({ type: 'CreateBatch', reference: 'b', sku: 'LAMP', quantity: 1 });
    await running.idle();
    const post = (path: string, body: object) =>
      fetch(`${running.service.http.url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    // No lane answers the command, so the job waits.
    await post('/lanes/0/pause', { reason: 'a test' });
    expect((await post('/dead-letters/redrive', { all: true })).status).toBe(202);
    await eventually(() => expect(running.deadLetters).toHaveLength(2));
  } finally {
    await running[Symbol.asyncDispose]();
  }
  const acts = running.log.flatMap(({ audit }) => (audit ? [audit] : []));
  expect(acts.filter((each) => JSON.stringify(each).includes('redrive'))).toMatchObject([
    { state: 'begun', by: 'anonymous', from: 'http' },
    { state: 'interrupted', done: { count: 1 }, why: expect.stringContaining('service closes') },
  ]);
});
