// @module-tag db

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { faults } from '../../src/fault-points.ts';
import { MessageBus } from '../../src/service-layer/message-bus.ts';
import { eventually } from '../support/eventually.ts';
import { RunningService } from '../support/running-service.ts';

interface Step {
  readonly kind: string;
  readonly at: string;
  readonly place: string;
  readonly type: string;
  readonly sku: string | null;
  readonly batchref: string | null;
  readonly sequence: number | null;
  readonly details: string;
  readonly sortKey: string;
}

interface Way {
  readonly orderid: string;
  readonly isComplete: boolean;
  readonly next: string | null;
  readonly steps: readonly Step[];
}

interface Job {
  readonly state: string;
  readonly result: { readonly verdict: string; readonly differences: readonly { kind: string }[] };
}

let isBroken = false;
let hasDied = false;

/** On a busy machine, a comparison takes many seconds. */
const PATIENCE = { withinMs: 120_000 };

/** Fails on the order `poor` while the handler has a bug. */
class BuggyBus extends MessageBus {
  override async handle(...[command, unitOfWork]: Parameters<MessageBus['handle']>) {
    if (isBroken && 'orderid' in command && command.orderid === 'poor')
      throw new Error('the handler has a bug');
    return await super.handle(command, unitOfWork);
  }
}

describe('What happened', () => {
  let running: RunningService;
  let url: string;

  beforeAll(async () => {
    const bus = new BuggyBus({ notifications: { outOfStock: () => {} } });
    running = await RunningService.start({ KAFKA_BROKERS: '' }, { bus });
    url = running.service.http.url ?? '';
    const batch = (reference: string, sku: string, quantity: number) =>
      send({ type: 'CreateBatch', reference, sku, quantity });
    await batch('lamps-1', 'LAMP', 5);
    await batch('lamps-2', 'LAMP', 5);
    await batch('sofas', 'SOFA', 5);
    const lines = ['LAMP', 'SOFA'].map((sku) => ({ sku, qty: 2 }));
    await send({ type: 'AllocateOrder', orderid: 'rich', lines });
    await send({ type: 'ChangeBatchQuantity', reference: 'lamps-1', quantity: 1 });
    await send({ type: 'DeallocateOrder', orderid: 'rich' });
    isBroken = true;
    await send({ type: 'AllocateOrder', orderid: 'poor', sku: 'LAMP', qty: 1 });
    isBroken = false;
    throwOnceBehindCommit();
    const { code } = await running.cli('dead-letters', 'redrive', '--all', '--execute');
    expect(code).toBe(0);
    await running.idle();
  });

  afterAll(async () => {
    faults.at = null;
    await running[Symbol.asyncDispose]();
  });

  async function send(command: object): Promise<void> {
    await running.send(command);
    await running.idle();
  }

  /** The next lane transaction is committed, and its lane dies before the answer is out. */
  function throwOnceBehindCommit(): void {
    faults.at = (point) => {
      if (point !== 'chunk-taken') return;
      faults.at = null;
      hasDied = true;
      throw new Error('The relay dies');
    };
  }

  const wayOf = async (orderid: string) =>
    (await (await fetch(`${url}/orders/${orderid}/way`)).json()) as Way;

  it('to an order is told from its command to its last event', async () => {
    const { steps, ...way } = await wayOf('rich');
    expect(way).toMatchObject({ orderid: 'rich', isComplete: true, next: null });
    expect(steps.map(({ kind, type, sku }) => [kind, type, sku].join(' '))).toEqual([
      'received AllocateOrder ',
      'decided Allocated LAMP',
      'decided Allocated SOFA',
      'published CompositeDomainEvent ',
      'received ChangeBatchQuantity ',
      'decided Deallocated LAMP',
      'decided Allocated LAMP',
      'published CompositeDomainEvent ',
      'received DeallocateOrder ',
      'decided Deallocated LAMP',
      'decided Deallocated SOFA',
      'published CompositeDomainEvent ',
    ]);
    expect(steps.map(({ sortKey }) => sortKey)).toEqual(steps.map((s) => s.sortKey).toSorted());
    expect(steps[6]).toMatchObject({ batchref: 'lamps-2', details: '2 of LAMP from lamps-2' });
  });

  it('to a failed order is right after a redrive and a crash', async () => {
    const { steps } = await wayOf('poor');
    expect(steps.map(({ kind }) => kind)).toEqual([
      'received',
      'dead-letter',
      'redriven',
      'received',
      'decided',
      'published',
    ]);
    expect(hasDied).toBe(true);
  });

  it('to an order that nobody knows is nothing, and all was searched', async () => {
    expect(await wayOf('unknown')).toMatchObject({ isComplete: true, steps: [] });
  });

  it('to an order is printed by the command line, with the times between', async () => {
    const { code, stdout } = await running.cli('way', 'poor');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^The order poor:\nTIME +AFTER +WHAT +TYPE +DETAILS +PLACE\n/);
    expect(stdout).toMatch(/\d (ms|s) +dead-letter +AllocateOrder +handler-failed: /);
    const json = (await running.cli('way', 'poor', '--json')).stdout.trim().split('\n');
    expect(json.map((line) => JSON.parse(line).kind)).toHaveLength(6);
    expect((await running.cli('way', 'unknown')).code).toBe(1);
  });

  it('to a product is told by sequence, the newest first', async () => {
    const answer = await fetch(`${url}/products/LAMP/history`);
    const { events, hasMoreEvents } = (await answer.json()) as {
      events: { sequence: number; type: string }[];
      hasMoreEvents: boolean;
    };
    expect(hasMoreEvents).toBe(false);
    expect(events.map(({ sequence, type }) => `${sequence} ${type}`)).toEqual([
      '8 Allocated',
      '7 Deallocated',
      '6 Allocated',
      '5 Deallocated',
      '4 BatchQuantityChanged',
      '3 Allocated',
      '2 BatchCreated',
      '1 BatchCreated',
    ]);
    const { stdout } = await running.cli('show', 'product', 'LAMP', '--history', '2', '--json');
    const shown = stdout.trim().split('\n');
    expect(shown.map((line) => JSON.parse(line).sequence)).toEqual([8, 7]);
  });

  it.each(['/orders/o/way?after=A', '/products/LAMP/history?after=1', '/orders/o/way?before=1'])(
    'is not told for the wrong question %s',
    async (path) => {
      expect((await fetch(`${url}${path}`)).status).toBe(400);
    },
  );

  describe('and whether the database shows it', () => {
    const verify = async () => {
      const started = await fetch(`${url}/recovery/verify`, { method: 'POST' });
      expect(started.status).toBe(202);
      const path = started.headers.get('location') ?? '';
      return await eventually(async () => {
        const job = (await (await fetch(`${url}${path}`)).json()) as Job;
        expect(job.state).toBe('done');
        return job;
      }, PATIENCE);
    };

    it('is verified by a job', async () => {
      expect((await verify()).result).toMatchObject({ verdict: 'equal', count: 0 });
      const { database } = running.service;
      await database.query("update batches set quantity = 99 where reference = 'sofas'");
      const { result } = await verify();
      expect([result.verdict, result.differences.length]).toEqual(['different', 1]);
    });

    it('is planned to be rebuilt, without a change', async () => {
      const answer = await fetch(`${url}/recovery/plan`);
      expect(answer.status).toBe(200);
      const plan = (await answer.json()) as { lines: string[]; refusal: string | null };
      expect(plan).toMatchObject({
        refusal: null,
        events: { topic: running.config.eventsTopic },
        command: expect.stringContaining('npx allocation replay rebuild --into sqlite:///'),
      });
      expect(plan.lines[0]).toContain('it has rows');
    });
  });
});
