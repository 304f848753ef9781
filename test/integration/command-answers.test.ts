// @module-tag db

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { REJECTIONS } from '../../src/messages/rejections.ts';
import { MessageBus } from '../../src/service-layer/message-bus.ts';
import { RunningService } from '../support/running-service.ts';

const JSON_TYPE = { 'content-type': 'application/json' };
const EVENT_TYPE = { 'content-type': 'application/cloudevents+json' };

interface Status {
  readonly id: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly status: string;
  readonly events: readonly { readonly type: string; readonly data: object }[];
  readonly advice?: string;
}

/** Fails on each command about the sku BROKEN. */
class BrokenBus extends MessageBus {
  override async handle(...[command, unitOfWork]: Parameters<MessageBus['handle']>) {
    if ('sku' in command && command.sku === 'BROKEN') throw new Error('the handler is broken');
    return await super.handle(command, unitOfWork);
  }
}

describe('the answer to a command', () => {
  let running: RunningService;
  let url: string;

  beforeAll(async () => {
    running = await RunningService.start(
      {},
      { bus: new BrokenBus({ notifications: { outOfStock: () => {} } }) },
    );
    url = running.service.http.url ?? '';
  });

  afterAll(async () => running[Symbol.asyncDispose]());

  const post = (body: object, headers: Record<string, string> = {}, query = '') =>
    fetch(`${url}/commands${query}`, {
      method: 'POST',
      headers: { ...JSON_TYPE, ...headers },
      body: JSON.stringify(body),
    });
  const ask = (path: string) => fetch(`${url}${path}`);
  const typesIn = ({ events }: Status) => events.map(({ type }) => type);
  const answerTo = async (body: object, headers: Record<string, string> = {}) => {
    const answer = await post(body, headers, '?wait=20s');
    expect(answer.status).toBe(200);
    return (await answer.json()) as Status;
  };

  it('comes with the request when the client prefers to wait', async () => {
    const command = { type: 'CreateBatch', reference: 'b1', sku: 'LAMP', quantity: 9, id: 'cmd-1' };
    const answer = await post(command, { prefer: 'wait=20' });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('preference-applied')).toBe('wait=20');
    const { offset, ...status } = (await answer.json()) as Status;
    expect(answer.headers.get('location')).toBe(`/commands/${status.topic}/0/${offset}`);
    expect(status).toMatchObject({
      id: 'cmd-1',
      status: 'answered',
      events: [{ type: 'BatchCreated', sequence: '1', data: { reference: 'b1', quantity: 9 } }],
    });
  });

  it('is asked for later, by place or by id', async () => {
    await answerTo({ type: 'CreateBatch', reference: 'b2', sku: 'CHAIR', quantity: 9 });
    const order = { type: 'AllocateOrder', orderid: 'o2', sku: 'CHAIR', qty: 2, id: 'cmd-2' };
    const sent = await post(order);
    expect(sent.status).toBe(202);
    await running.idle();
    for (const path of [sent.headers.get('location') ?? '', '/commands/cmd-2']) {
      const status = (await (await ask(path)).json()) as Status;
      expect([status.id, status.status, typesIn(status)]).toEqual([
        'cmd-2',
        'answered',
        ['Allocated'],
      ]);
    }
    const encoded = encodeURIComponent((sent.headers.get('location') ?? '').slice(10));
    expect((await ask(`/commands/${encoded}`)).status).toBe(200);
  });

  it('has all events of a composite', async () => {
    const lines = ['SOFA', 'BED'].map((sku) => ({ sku, qty: 1 }));
    for (const { sku } of lines)
      await answerTo({ type: 'CreateBatch', reference: `b-${sku}`, sku, quantity: 1 });
    const order = { type: 'AllocateOrder', orderid: 'o3', lines };
    expect(typesIn(await answerTo(order))).toEqual(['Allocated', 'Allocated']);
  });

  it('to a command that is sent again is the first answer, and names its place', async () => {
    const command = { type: 'CreateBatch', reference: 'b4', sku: 'DESK', quantity: 1, id: 'cmd-4' };
    const first = await answerTo(command);
    const again = await answerTo(command);
    expect(again).toMatchObject({
      repeats: `${first.topic}/${first.partition}/${first.offset}`,
      events: first.events,
    });
    expect(again.offset).toBeGreaterThan(first.offset);
  });

  it('has the advice on a rejection again when the command is sent again', async () => {
    const command = { type: 'AllocateOrder', orderid: 'o5', sku: 'NONE', qty: 1, id: 'cmd-5' };
    const { advice } = await answerTo(command);
    expect(advice).toBe(`unknown-sku: ${REJECTIONS['unknown-sku'].advice}`);
    expect(await answerTo(command)).toMatchObject({ repeats: expect.anything(), advice });
  });

  it('to another command under a used id says that the command differs', async () => {
    const command = { type: 'CreateBatch', reference: 'b9', sku: 'DESK', quantity: 1, id: 'cmd-9' };
    await answerTo(command);
    expect(await answerTo(command)).not.toHaveProperty('differs');
    const other = { type: 'ChangeBatchQuantity', reference: 'b9', quantity: 7, id: 'cmd-9' };
    expect(await answerTo(other)).toMatchObject({
      differs: true,
      events: [{ type: 'BatchCreated' }],
    });
  });

  it('is pending until somebody waits for it at its place, or by its id', async () => {
    const answer = await post({ type: 'DeallocateOrder', orderid: 'o9', id: 'cmd-10' });
    expect(await answer.json()).toMatchObject({ status: 'pending' });
    for (const path of [answer.headers.get('location') ?? '', '/commands/cmd-10'])
      expect(await (await ask(`${path}?wait=20s`)).json()).toMatchObject({
        status: 'answered',
        events: [{ type: 'CommandRejected' }],
        advice: `unknown-order: ${REJECTIONS['unknown-order'].advice}`,
      });
  });

  it('is not at a place where no command is', async () => {
    const answer = await ask(`/commands/${running.config.commandsTopic}/0/99999`);
    expect([answer.status, await answer.json()]).toMatchObject([
      404,
      { detail: expect.stringContaining('nothing came there yet') },
    ]);
  });

  it('to a batch that exists already has no event', async () => {
    const batch = { type: 'CreateBatch', reference: 'b5', sku: 'RUG', quantity: 1 };
    await answerTo(batch);
    expect(await answerTo(batch)).toMatchObject({ status: 'answered', events: [] });
  });

  it('keeps commands apart that have one id and two sources', async () => {
    const event = (source: string, reference: string) => ({
      specversion: '1.0',
      id: '1',
      source,
      type: 'CreateBatch',
      data: { reference, sku: 'BOX', quantity: 1 },
    });
    await answerTo(event('/one', 'b6'), EVENT_TYPE);
    await answerTo(event('/two', 'b7'), EVENT_TYPE);
    const status = (await (await ask('/commands/1?source=/one')).json()) as Status;
    expect(status.events[0]?.data).toMatchObject({ reference: 'b6' });
  });

  it('is found by source and id, even if the id is the place of another command', async () => {
    const { commandsTopic } = running.config;
    const event = {
      specversion: '1.0',
      id: `${commandsTopic}/0/0`,
      source: '/odd',
      type: 'CreateBatch',
      data: { reference: 'b9', sku: 'BOX', quantity: 1 },
    };
    await answerTo(event, EVENT_TYPE);
    const name = encodeURIComponent(event.id);
    const status = (await (await ask(`/commands/${name}?source=/odd`)).json()) as Status;
    expect(status.events[0]?.data).toMatchObject({ reference: 'b9' });
    const first = (await (await ask(`/commands/${name}`)).json()) as Status;
    expect(first.offset).toBe(0);
  });

  it('to a failed command is its dead letter, and what was done about it', async () => {
    const command = { type: 'CreateBatch', reference: 'b8', sku: 'BROKEN', quantity: 1, id: 'bad' };
    const status = await answerTo(command);
    expect(status).toMatchObject({
      status: 'dead-letter',
      reason: 'handler-failed',
      message: expect.stringContaining('the handler is broken'),
      advice: expect.stringContaining('redrive'),
      letter: expect.stringContaining(`${running.config.deadLettersTopic}/`),
    });
    expect((await running.cli('dead-letters', 'discard', '--all', '--execute')).code).toBe(0);
    expect(await (await ask('/commands/bad')).json()).toMatchObject({ resolution: 'discarded' });
  });

  it('to a message that is no command is its dead letter', async () => {
    const [place = ''] = await running.send({ type: 'ShipOrder', id: 'odd' });
    await running.idle();
    const status = await (await ask(`/commands/${running.config.commandsTopic}/${place}`)).json();
    expect(status).toMatchObject({ id: 'odd', status: 'dead-letter', reason: 'unknown-type' });
  });

  it.each([
    ['an id that nobody sent', () => 'nobody-sent-this'],
    ['another topic', () => 'other-topic/0/0'],
    ['a place behind the end', () => `${running.config.commandsTopic}/0/99999`],
    ['a partition that is not there', () => `${running.config.commandsTopic}/99/0`],
  ])('to %s is unknown', async (_, id) => {
    const answer = await ask(`/commands/${id()}`);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      404,
      'application/problem+json',
    ]);
  });

  it('refuses a wait that is not a number of seconds, and sends nothing', async () => {
    const answer = await post(
      { type: 'DeallocateOrder', orderid: 'o', id: 'soon' },
      {},
      '?wait=soon',
    );
    expect(answer.status).toBe(400);
    expect((await ask('/commands/soon')).status).toBe(404);
  });

  describe('from the command line', () => {
    it('comes with --wait', async () => {
      const fields = ['reference=b20', 'sku=VASE', 'quantity=3', 'id=cmd-20'];
      const { code, stdout } = await running.cli('publish', 'CreateBatch', ...fields, '--wait');
      expect([code, stdout]).toEqual([
        0,
        expect.stringMatching(/^Published .*\nBatchCreated +reference=b20 sku=VASE quantity=3/),
      ]);
    });

    it('comes as JSON with --wait --json', async () => {
      const fields = ['orderid=o21', 'sku=NOBODY-HAS-THIS', 'qty=3'];
      const run = await running.cli(
        'publish',
        'AllocateOrder',
        ...fields,
        '--wait',
        '20',
        '--json',
      );
      expect(JSON.parse(run.stdout)).toMatchObject({
        status: 'answered',
        events: [{ type: 'CommandRejected', data: { reason: 'unknown-sku' } }],
      });
    });

    it('ends with what to do if it has a rejection', async () => {
      const fields = ['reference=b23', 'quantity=3', 'id=cmd-23'];
      const run = await running.cli('publish', 'ChangeBatchQuantity', ...fields, '--wait', '20');
      expect([run.code, run.stdout.trimEnd().split('\n').at(-1)]).toEqual([
        0,
        `unknown-batch: ${REJECTIONS['unknown-batch'].advice}`,
      ]);
    });

    it('is an error that says why, and exit code 1, for a dead letter', async () => {
      const fields = ['reference=b22', 'sku=BROKEN', 'quantity=3'];
      const run = await running.cli('publish', 'CreateBatch', ...fields, '--wait', '20');
      expect([run.code, run.stderr]).toEqual([
        1,
        expect.stringContaining('dead letter (handler-failed)'),
      ]);
    });

    it('is not for streams', async () => {
      expect((await running.cli('publish', '-', '--wait')).code).toBe(2);
    });
  });

  describe('in a batch', () => {
    const send = (body: string, type: string) =>
      fetch(`${url}/commands`, { method: 'POST', headers: { 'content-type': type }, body });
    const batch = (reference: string) => ({
      type: 'CreateBatch',
      reference,
      sku: 'BOOK',
      quantity: 1,
    });
    const event = (id: string, data: object) => ({
      specversion: '1.0',
      id,
      source: '/shop',
      type: 'CreateBatch',
      data,
    });

    it('each command of JSON lines has its place, in their order', async () => {
      const lines = ['b30', 'b31', 'b32'].map((reference) => JSON.stringify(batch(reference)));
      const answer = await send(`${lines.join('\n')}\n\n`, 'application/x-ndjson');
      expect(answer.status).toBe(202);
      const { items } = (await answer.json()) as { items: (Status & { location: string })[] };
      const first = items[0]?.offset ?? 0;
      expect(items.map(({ offset }) => offset - first)).toEqual([0, 1, 2]);
      await running.idle();
      const status = (await (await ask(items[2]?.location ?? '')).json()) as Status;
      expect(status.events[0]?.data).toMatchObject({ reference: 'b32' });
    });

    it('a refused CloudEvent says why, and the others are sent', async () => {
      const { type: _, ...data } = batch('b33');
      const events = [event('e1', data), event('e2', { ...data, quantity: -1 })];
      const answer = await send(JSON.stringify(events), 'application/cloudevents-batch+json');
      expect(answer.status).toBe(207);
      expect(await answer.json()).toMatchObject({
        items: [
          { status: 202, id: 'e1' },
          { status: 400, id: 'e2', reason: 'invalid-data', errors: [{ field: 'quantity' }] },
        ],
      });
    });

    it.each([
      ['an empty array', '[]', 'no command'],
      ['an object', '{}', 'array'],
      ['text', 'allocate', 'JSON'],
      ['1,001 commands', JSON.stringify(Array(1_001).fill({})), '1001'],
    ])('%s is refused as a whole', async (_, body, word) => {
      const answer = await send(body, 'application/cloudevents-batch+json');
      expect(answer.status).toBe(400);
      expect(await answer.json()).toMatchObject({ detail: expect.stringContaining(word) });
    });

    it('is refused with ?wait, because the answers are at their locations', async () => {
      const answer = await fetch(`${url}/commands?wait=5s`, {
        method: 'POST',
        headers: { 'content-type': 'application/jsonl' },
        body: JSON.stringify(batch('b34')),
      });
      expect([answer.status, await answer.json()]).toMatchObject([400, { parameter: 'wait' }]);
    });

    it.each([
      ['an array', '[]', 'application/json', 'application/cloudevents-batch+json'],
      [
        'a CloudEvent',
        JSON.stringify(event('e3', {})),
        'application/json',
        'application/cloudevents+json',
      ],
      ['plain JSON', JSON.stringify(batch('b35')), 'application/cloudevents+json', 'plain JSON'],
    ])('%s with the wrong content type gets the right one named', async (_, body, type, word) => {
      const answer = await send(body, type);
      expect([answer.status, await answer.json()]).toMatchObject([
        400,
        { detail: expect.stringContaining(word) },
      ]);
    });

    it('of more than 4 MiB is refused with 413', async () => {
      const answer = await send(' '.repeat(4 * 1024 * 1024 + 1), 'application/jsonl');
      expect(answer.status).toBe(413);
    });
  });
});
