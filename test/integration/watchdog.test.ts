// @module-tag db
// @module-tag kafka
// @module-tag slow

import { Partitioners } from 'kafkajs';
import { describe, expect, inject, it } from 'vitest';
import type { Service } from '../../src/bootstrap.ts';
import type { Event } from '../../src/domain/events.ts';
import type { Broker } from '../../src/service-layer/broker.ts';
import type { PartitionOwner } from '../../src/service-layer/consumer-group.ts';
import { MessageBus } from '../../src/service-layer/message-bus.ts';
import { eventually } from '../support/eventually.ts';
import { over } from '../support/over.ts';
import { describeOnEachBroker, RunningService } from '../support/running-service.ts';
import { plainKafka } from '../support/topic-reader.ts';

const brokers = inject('kafkaBrokers');
/** The watchdog's patience, two checks and a read, with time for a busy machine. */
const WITHIN_MS = 60_000;

const batch = (reference: string) => ({
  type: 'CreateBatch',
  reference,
  sku: 'LAMP',
  quantity: 1,
  eta: null,
});

async function readiness({ http }: Service): Promise<string> {
  const response = await fetch(`${http.url}/readyz`);
  return `${response.status} ${await response.text()}`;
}

async function stuckLanes({ http }: Service): Promise<string | undefined> {
  const metrics = await (await fetch(`${http.url}/metrics`)).text();
  return /^allocation_lanes\{state="stuck"\} (\d+)$/m.exec(metrics)?.[1];
}

/** Makes a bus whose handlers return only after `letGo` is called. */
function hangingBus() {
  const { promise, resolve: letGo } = Promise.withResolvers<void>();
  const commands: unknown[] = [];
  class HangingBus extends MessageBus {
    override async handle(...command: Parameters<MessageBus['handle']>): Promise<readonly Event[]> {
      commands.push(command);
      await promise;
      return super.handle(...command);
    }
  }
  return { bus: new HangingBus({ notifications: { outOfStock: () => {} } }), commands, letGo };
}

/** Makes a broker whose deliveries arrive only after `letGo` is called. */
function silentBroker() {
  const { promise, resolve: letGo } = Promise.withResolvers<void>();
  let deliveryCount = 0;
  const hold = (owner: PartitionOwner): PartitionOwner => ({
    close: () => owner.close(),
    handle: async (records) => {
      deliveryCount += 1;
      await promise;
      await owner.handle(records);
    },
  });
  const broker = (real: Broker) =>
    over(real, {
      consume: (options) =>
        real.consume({ ...options, openOwner: (partition) => hold(options.openOwner(partition)) }),
    });
  return { broker, deliveryCount: () => deliveryCount, letGo };
}

describeOnEachBroker('A lane that no delivery reaches', (environment) => {
  it('makes the service not ready, with a metric and one log line, until it moves', async () => {
    const { broker, deliveryCount, letGo } = silentBroker();
    await using running = await RunningService.start(
      { ...environment, TOPIC_PARTITIONS: '1' },
      { broker },
    );
    const { service, log } = running;
    const lines = () =>
      log.flatMap(({ msg }) =>
        /^Partition .*(stuck|moves again)/.test(String(msg)) ? [String(msg)] : [],
      );
    try {
      await running.send(batch('waits'));
      await eventually(() => expect(deliveryCount()).toBe(1));
      expect([await readiness(service), await stuckLanes(service)]).toEqual([
        expect.stringMatching(/^200/),
        '0',
      ]);
      await eventually(
        async () =>
          expect(await readiness(service)).toMatch(
            /^503 .*is stuck: it has stood at offset 0 for 3/,
          ),
        {
          withinMs: WITHIN_MS,
        },
      );
      expect([await stuckLanes(service), lines()]).toEqual([
        '1',
        [expect.stringContaining('is stuck')],
      ]);
    } finally {
      letGo();
    }
    await running.idle();
    await eventually(() =>
      expect(lines().slice(1)).toEqual([expect.stringContaining('moves again, at offset 1')]),
    );
    expect([await readiness(service), await stuckLanes(service)]).toEqual([
      expect.stringMatching(/^200/),
      '0',
    ]);
  }, 120_000);
});

describe.skipIf(!brokers)('A quiet Kafka partition that ends with a marker', () => {
  it('does not count as stuck beside a partition that is stuck', async () => {
    const { bus, commands, letGo } = hangingBus();
    await using running = await RunningService.start(
      { KAFKA_BROKERS: brokers ?? '', TOPIC_PARTITIONS: '2' },
      { bus },
    );
    const { service, config } = running;
    const topic = config.commandsTopic;
    const producer = plainKafka(brokers ?? '').producer({
      transactionalId: `upstream-${topic}`,
      idempotent: true,
      maxInFlightRequests: 1,
      createPartitioner: Partitioners.DefaultPartitioner,
    });
    try {
      await producer.connect();
      const aborted = await producer.transaction();
      await aborted.send({
        topic,
        messages: [{ partition: 0, value: JSON.stringify(batch('aborted')) }],
      });
      await aborted.abort();
      const hanging = await producer.transaction();
      await hanging.send({
        topic,
        messages: [{ partition: 1, value: JSON.stringify(batch('hangs')) }],
      });
      await hanging.commit();
      await eventually(() => expect(commands).toHaveLength(1), { withinMs: 30_000 });
      await eventually(
        async () => expect(await readiness(service)).toContain('Partition 1 is stuck'),
        { withinMs: WITHIN_MS },
      );
      // The watchdog saw both partitions at the same check. After two more checks, partition 0 has
      // had its time too.
      await eventually(
        async () => expect(await readiness(service)).toMatch(/offset 0 for (4[5-9]|5\d) s/),
        { withinMs: WITHIN_MS },
      );
      expect([await readiness(service), await stuckLanes(service)]).toEqual([
        expect.not.stringContaining('Partition 0'),
        '1',
      ]);
    } finally {
      letGo();
      await producer.disconnect();
    }
  }, 180_000);
});
