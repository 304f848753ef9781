// @module-tag db
// @module-tag kafka

import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { KafkaBroker } from '../../../src/adapters/broker/kafka/broker.ts';
import type { LogRecord } from '../../../src/service-layer/records.ts';
import { eventually } from '../../support/eventually.ts';
import { RunningService } from '../../support/running-service.ts';
import { plainKafka } from '../../support/topic-reader.ts';

const brokers = inject('kafkaBrokers');
const LINES = 500;
const TAKES_BYTES = 100_000;

describe.skipIf(!brokers)('Topics that accept less than a usual record batch', () => {
  const environment = { KAFKA_BROKERS: brokers ?? '', TOPIC_PARTITIONS: '1' };
  let broker: KafkaBroker;
  let name: string;

  beforeEach(() => {
    broker = new KafkaBroker({
      brokers: (brokers ?? '').split(','),
      clientId: 'test',
      log: pino({ level: 'silent' }),
    });
    name = crypto.randomUUID().slice(0, 8);
  });

  afterEach(() => broker.close());

  async function createTopic(topic: string, maxMessageBytes: number): Promise<void> {
    await broker.ensureTopics([{ name: topic, partitions: 1, maxMessageBytes }], true);
  }

  async function takeAtMost(topic: string, bytes: number): Promise<void> {
    const admin = plainKafka(brokers ?? '').admin();
    await admin.connect();
    const configEntries = [{ name: 'max.message.bytes', value: String(bytes) }];
    await admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: 2, name: topic, configEntries }],
    });
    await admin.disconnect();
  }

  it('the answer to an order of 500 lines is split to fit the events topic', async () => {
    await createTopic(`events-${name}`, TAKES_BYTES);
    await using running = await RunningService.start({
      ...environment,
      EVENTS_TOPIC: `events-${name}`,
    });
    const lines = Array.from({ length: LINES }, (_, index) => ({ sku: `SKU-${index}`, qty: 1 }));
    await running.send({ type: 'AllocateOrder', orderid: 'large', lines });
    await running.send({ type: 'CreateBatch', reference: 'after', sku: 'AFTER', quantity: 1 });
    await running.idle();
    await eventually(() => expect(running.eventTypes()).toHaveLength(LINES + 1));
    expect(running.events.length).toBeGreaterThan(2);
    const ids = running.events.map(({ headers }) => String(headers.ce_id)).slice(0, 3);
    expect(ids).toEqual([
      `${running.config.commandsTopic}/0/0`,
      `${running.config.commandsTopic}/0/0.2`,
      `${running.config.commandsTopic}/0/0.3`,
    ]);
  }, 90_000);

  it('many answers are published in record batches that fit the events topic', async () => {
    await createTopic(`events-${name}`, 20_000);
    await using running = await RunningService.start({
      ...environment,
      EVENTS_TOPIC: `events-${name}`,
    });
    const batches = Array.from({ length: 400 }, (_, n) => ({
      type: 'CreateBatch',
      reference: `b-${n}`,
      sku: `S-${n}`,
      quantity: 1,
    }));
    await running.send(...batches);
    await running.idle();
    await eventually(() => expect(running.eventTypes()).toHaveLength(batches.length));
  }, 90_000);

  it('commands that are published at once are split to fit the commands topic', async () => {
    await createTopic(name, TAKES_BYTES);
    const records = (count: number): LogRecord[] =>
      Array.from({ length: count }, (_, index) => ({
        key: 'k',
        value: `${index}`.padEnd(30_000),
        headers: {},
      }));
    await broker.publish(name, records(1));
    const places = await Promise.all(
      Array.from({ length: 10 }, () => broker.publish(name, records(2))),
    );
    expect(places.flat()).toHaveLength(20);
    expect((await broker.offsetRanges(name))[0]?.end).toBe(21);
  }, 60_000);

  it('a lane names the kafka-configs.sh command when an event is too large', async () => {
    await createTopic(`events-${name}`, 500);
    await using running = await RunningService.start({
      ...environment,
      EVENTS_TOPIC: `events-${name}`,
    });
    await running.send({ type: 'CreateBatch', reference: 'b', sku: 'S'.repeat(200), quantity: 1 });
    const advice = await eventually(() => {
      const [problem] = running.service.consumer.problems();
      expect(problem).toContain('max.message.bytes');
      return problem ?? '';
    });
    expect(advice).toContain(`events-${name} takes at most 500 bytes`);
    const [, needed] = /--add-config max\.message\.bytes=(\d+)/.exec(advice) ?? [];
    expect(advice).toContain(
      `kafka-configs.sh --bootstrap-server ${brokers} --alter --entity-type topics ` +
        `--entity-name events-${name}`,
    );
    await takeAtMost(`events-${name}`, Number(needed));
    await running.idle();
    await eventually(() => expect(running.eventTypes()).toEqual(['BatchCreated']));
  }, 90_000);
});
