// @module-tag db

import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import type { Event } from '../../src/domain/events.ts';
import { MessageBus } from '../../src/service-layer/message-bus.ts';
import { textOf } from '../support/deployment.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { hasProgram, Prometheus } from '../support/prometheus.ts';
import { RunningService } from '../support/running-service.ts';

/** Several scrapes and evaluations, with time for a busy machine. */
const WITHIN_MS = 60_000;

/** Returns the rules of `deploy/`, so that an alert fires after a second instead of minutes. */
function impatientRules(): string {
  const rules = parse(textOf('deploy/prometheus/allocation.rules.yml'));
  for (const group of rules.groups) for (const rule of group.rules) rule.for = '1s';
  return stringify(rules);
}

/** Makes a bus whose handler fails on one order until it is mended. */
function brokenBus(orderid: string) {
  let isMended = false;
  class BrokenBus extends MessageBus {
    override async handle(...args: Parameters<MessageBus['handle']>): Promise<readonly Event[]> {
      const [command] = args;
      if (!isMended && 'orderid' in command && command.orderid === orderid)
        throw new Error('The handler has a bug');
      return super.handle(...args);
    }
  }
  const mend = () => {
    isMended = true;
  };
  return { bus: new BrokenBus({ notifications: { outOfStock: () => {} } }), mend };
}

const order = (orderid: string) => ({ type: 'AllocateOrder', orderid, sku: 'LAMP', qty: 1 });

describe.skipIf(!hasProgram('prometheus'))('A Prometheus with the alert rules', () => {
  it('fires before the service runs, and as long as commands are parked', async () => {
    const port = await freePort();
    await using prometheus = await Prometheus.start(impatientRules(), [`127.0.0.1:${port}`]);
    const fires = (...expected: readonly string[]) =>
      eventually(
        async () => {
          const alerts = await prometheus.firing();
          expect(alerts.map(({ labels }) => labels.alertname)).toEqual(expected);
          return alerts;
        },
        { withinMs: WITHIN_MS },
      );
    await fires('AllocationDown');

    const { bus, mend } = brokenBus('poison');
    const settings = { HTTP_PORT: String(port), TOPIC_PARTITIONS: '1' };
    await using running = await RunningService.start(settings, { bus });
    await fires();
    const batch = { type: 'CreateBatch', reference: 'batch-1', sku: 'LAMP', quantity: 9 };
    await running.send(batch, order('poison'), order('behind'));
    await running.idle();
    const [alert] = await fires('AllocationCommandsParked');
    expect(alert?.labels).toMatchObject({ job: 'allocation', severity: 'warning' });
    expect(alert?.annotations.runbook_url).toBe('docs/runbook.md#allocationcommandsparked');

    mend();
    expect(await running.cli('dead-letters', 'redrive', '--all', '--execute')).toMatchObject({
      code: 0,
    });
    await fires();
  }, 300_000);
});
