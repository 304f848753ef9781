// @module-tag db

import { describe, expect, it } from 'vitest';
import type { Command } from '../../src/domain/commands.ts';
import type { Event } from '../../src/domain/events.ts';
import { TroubleError } from '../../src/service-layer/errors.ts';
import { MessageBus } from '../../src/service-layer/message-bus.ts';
import type { UnitOfWork } from '../../src/service-layer/unit-of-work.ts';
import { eventually } from '../support/eventually.ts';
import { seriesIn } from '../support/metrics.ts';
import { batch, order } from '../support/plain-commands.ts';
import { RunningService } from '../support/running-service.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';

/** Makes a bus whose handler fails on one order. */
class BrokenBus extends MessageBus {
  override async handle(
    command: Command,
    unitOfWork: UnitOfWork,
    ...more: never[]
  ): Promise<readonly Event[]> {
    if (command.type === 'AllocateOrder' && command.orderid === 'broken')
      throw new Error('The handler is broken');
    return super.handle(command, unitOfWork, ...more);
  }
}

const read = async ({ service }: RunningService, accept?: string) =>
  (await fetch(`${service.http.url}/metrics`, accept ? { headers: { accept } } : {})).text();

/** Returns the series of these metrics that are not 0. */
const counted = (text: string, ...names: readonly string[]) =>
  names.flatMap((name) => seriesIn(text, name)).filter((line) => !line.endsWith(' 0'));

describe('The metrics of a service', () => {
  it('tell what became of the commands, the database, the log and the requests', async () => {
    const bus = new BrokenBus({ notifications: { outOfStock() {} } });
    await using running = await RunningService.start({ TOPIC_PARTITIONS: '1' }, { bus });
    await running.send(
      { ...batch('b1', 'LAMP', { quantity: 5 }), id: 'first' },
      { ...batch('b1', 'LAMP', { quantity: 5 }), id: 'first' },
      { ...order('o1', 'LAMP', 3), id: 'o1' },
      { ...order('o2', 'LAMP', 3), id: 'o2' },
      { ...order('o3', 'NO-SUCH-LAMP'), id: 'o3' },
      { ...order('broken', 'LAMP'), id: 'broken' },
      { ...order('behind', 'LAMP'), id: 'behind' },
      { type: 'Nothing' },
    );
    await running.idle();
    await read(running);
    const text = await eventually(async () => {
      const now = await read(running);
      expect(seriesIn(now, 'allocation_parked_commands ')).toEqual([
        'allocation_parked_commands 2',
      ]);
      expect(seriesIn(now, 'allocation_open_dead_letters{')).not.toEqual([]);
      return now;
    });
    expect(counted(text, 'allocation_commands_total').toSorted()).toEqual([
      'allocation_commands_total{type="AllocateOrder",outcome="accepted"} 1',
      'allocation_commands_total{type="AllocateOrder",outcome="dead-letter"} 1',
      'allocation_commands_total{type="AllocateOrder",outcome="out-of-stock"} 1',
      'allocation_commands_total{type="AllocateOrder",outcome="parked"} 1',
      'allocation_commands_total{type="AllocateOrder",outcome="rejected"} 1',
      'allocation_commands_total{type="CreateBatch",outcome="accepted"} 1',
      'allocation_commands_total{type="CreateBatch",outcome="repeated"} 1',
      'allocation_commands_total{type="unreadable",outcome="dead-letter"} 1',
    ]);
    expect(counted(text, 'allocation_events_total', 'allocation_rejections_total')).toEqual([
      'allocation_events_total{type="BatchCreated"} 1',
      'allocation_events_total{type="Allocated"} 1',
      'allocation_events_total{type="OutOfStock"} 1',
      'allocation_events_total{type="CommandRejected"} 1',
      'allocation_rejections_total{reason="unknown-sku"} 1',
    ]);
    for (const name of ['allocation_dead_letters_total', 'allocation_open_dead_letters{'])
      expect(counted(text, name).map((line) => line.replace(/^\w+/, ''))).toEqual([
        '{reason="unknown-type"} 1',
        '{reason="handler-failed"} 1',
        '{reason="parked-behind"} 1',
      ]);
    expect(seriesIn(text, 'allocation_parked_products')).toEqual(['allocation_parked_products 1']);
    expect(seriesIn(text, 'allocation_lane')).toEqual(
      expect.arrayContaining([
        'allocation_lanes{state="working"} 1',
        'allocation_lane_state{partition="0",state="working"} 1',
        'allocation_lane_position_offset{partition="0"} 8',
        'allocation_lane_committed_offset{partition="0"} 8',
      ]),
    );
    expect(seriesIn(text, 'allocation_lag_seconds')).toEqual([
      'allocation_lag_seconds{partition="0"} 0',
    ]);
    expect(seriesIn(text, 'allocation_relay_queue')).toEqual([
      'allocation_relay_queue_records{partition="0"} 0',
    ]);
    const published = /^allocation_published_records_total (\d+)$/m.exec(text)?.[1];
    expect(Number(published)).toBe(running.events.length + running.deadLetters.length);
    expect(seriesIn(text, 'allocation_ready')).toEqual(['allocation_ready 1']);
    expect(counted(text, 'allocation_handler_retries_total')).toEqual([
      'allocation_handler_retries_total{action="retry"} 3',
      'allocation_handler_retries_total{action="isolate"} 1',
    ]);
    expect(counted(text, 'allocation_http_requests_total')).toEqual([
      expect.stringMatching(/\{method="GET",route="\/metrics",status="200"\} \d+$/),
    ]);
  }, 60_000);

  it('have no text of a sender in their names and labels', async () => {
    await using running = await RunningService.start({ TOPIC_PARTITIONS: '1' });
    const hostile = 'evil"} 1\n# EOF';
    const traceparent = `00-${TRACE}-b7ad6b7169203331-01`;
    await running.send(
      { ...batch('evil-batch', 'evil-sku'), id: 'evil-id', 'evil-field': 1 },
      { type: hostile, id: hostile },
      { ...order(`evil${hostile}`, 'evil-sku'), id: 'evil' },
      { value: hostile, headers: { ce_type: hostile, traceparent, 'dead-letter-reason': 'evil' } },
      { ...order('evil-order', 'evil-unknown', 99) },
    );
    await running.idle();
    const { url } = running.service.http;
    await fetch(`${url}/products/evil-sku?evil=evil`, { headers: { traceparent } });
    await fetch(`${url}/evil/evil`, { method: 'DELETE' });
    await fetch(`${url}/commands`, { method: 'POST', body: 'evil' });
    await read(running);
    for (const accept of ['text/plain', 'application/openmetrics-text']) {
      const text = await read(running, accept);
      expect(text).not.toContain('evil');
      expect(text.includes(TRACE)).toBe(accept !== 'text/plain');
    }
  }, 60_000);

  it('are there while the database and the log are silent', async () => {
    const { promise: silent, reject } = Promise.withResolvers<never>();
    silent.catch(() => {});
    await using running = await RunningService.start({ TOPIC_PARTITIONS: '1' });
    const { database, broker } = running.service;
    const mend = [
      replace(database, 'read', () => silent),
      replace(database, 'query', () => silent),
      replace(broker, 'offsetRanges', () => silent),
    ];
    try {
      const text = await read(running);
      expect(seriesIn(text, 'allocation_lanes{state="working"}')).toHaveLength(1);
      expect(await read(running)).toContain('allocation_build_info{');
    } finally {
      for (const undo of mend) undo();
      reject(new TroubleError('The silence is over'));
    }
  }, 60_000);
});

/** Replaces a method of the object. @returns undoes that */
function replace<T extends object, K extends keyof T>(
  object: T,
  name: K,
  method: T[K],
): () => void {
  Object.defineProperty(object, name, { value: method, configurable: true, writable: true });
  return () => Reflect.deleteProperty(object, name);
}
