// @module-tag db
// @module-tag kafka

import kafkajs from 'kafkajs';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { badMessages } from '../support/bad-messages.ts';
import { eventually } from '../support/eventually.ts';
import { describeOnEachBroker, RunningService } from '../support/running-service.ts';
import { plainKafka } from '../support/topic-reader.ts';

const { CompressionTypes } = kafkajs;

describeOnEachBroker(
  'a bad message becomes a dead letter as it came, and holds up nobody',
  (environment) => {
    let running: RunningService;
    const places = new Map<string, string>();

    beforeAll(async () => {
      // At its end, the service logs how many warnings it has only counted.
      await using service = await RunningService.start(environment);
      running = service;
      for (const [name, record] of badMessages) {
        const [place = ''] = await running.send(record);
        places.set(name, place);
      }
      await running.send({ type: 'CreateBatch', reference: 'after', sku: 'AFTER', quantity: 1 });
      await running.idle();
      await eventually(
        () => expect(running.deadLetters.length).toBeGreaterThanOrEqual(badMessages.length),
        { withinMs: 30_000 },
      );
    }, 120_000);

    it.each(badMessages)('%s', (name, record, reason, word) => {
      const letters = running.deadLetters.filter(
        ({ headers }) =>
          `${headers['dead-letter-partition']}/${headers['dead-letter-offset']}` ===
          places.get(name),
      );
      expect(letters).toHaveLength(1);
      const [letter] = letters;
      expect(String(letter?.headers['dead-letter-reason'])).toBe(reason);
      expect(String(letter?.headers['dead-letter-message'])).toContain(word);
      const sent =
        'value' in record ? (record.value as Buffer | string | null) : JSON.stringify(record);
      expect(letter?.value).toEqual(sent === null ? null : Buffer.from(sent as string));
    });

    it('a good command after them is answered', () => {
      expect(running.eventTypes()).toEqual(['BatchCreated']);
    });

    it('the first of each reason has a log line, and a line counts the others', () => {
      const isAbout = (text: string) => (line: Record<string, unknown>) =>
        String(line.msg).includes(text);
      const first = running.log.filter(isAbout('Dead letter:'));
      const counted = running.log.filter(isAbout('more messages became dead letters'));
      const reasons = new Set(badMessages.map(([, , reason]) => reason));
      expect(new Set(first.map(({ reason }) => reason))).toEqual(reasons);
      expect(first).toHaveLength(reasons.size);
      expect(counted.map(({ count }) => count)).toEqual([badMessages.length - reasons.size]);
      expect(
        [...first, ...counted].every(
          ({ reason, lane, offset }) => reason && lane && offset !== undefined,
        ),
      ).toBe(true);
    });
  },
);

describeOnEachBroker('input that only looks bad', (environment) => {
  let running: RunningService;

  beforeAll(async () => {
    running = await RunningService.start(environment);
  }, 60_000);

  afterAll(async () => running[Symbol.asyncDispose]());

  it('`__proto__` is a sku like any other, and is ignored as a key', async () => {
    await running.send({
      value:
        '{"type":"CreateBatch","reference":"__proto__","sku":"__proto__","quantity":5,' +
        '"__proto__":{"sku":"no"}}',
    });
    await running.idle();
    await running.send({
      value: '{"type":"AllocateOrder","orderid":"constructor","sku":"__proto__","qty":2}',
    });
    await running.idle();
    await eventually(() => expect(running.eventTypes()).toContain('Allocated'));
    const answer = await fetch(`${running.service.http.url}/products/__proto__`);
    expect(await answer.json()).toMatchObject({
      sku: '__proto__',
      batches: [{ reference: '__proto__', availableQuantity: 3 }],
    });
  });

  it('a command that comes again with its id, on any partition, changes nothing', async () => {
    const before = running.events.length;
    const command = {
      type: 'CreateBatch',
      id: 'once',
      reference: 'once',
      sku: 'ONCE',
      quantity: 5,
    };
    await running.send(command, command, { ...command, quantity: 6 });
    await running.idle();
    await running.send({ key: 'another key', value: JSON.stringify(command), headers: {} });
    await running.idle();
    await running.send({ type: 'CreateBatch', reference: 'end', sku: 'END', quantity: 1 });
    await eventually(() => expect(running.events.length).toBe(before + 2));
  });

  it('a sku of 255 characters beyond the basic plane is accepted', async () => {
    const sku = '🪑'.repeat(255);
    await running.send({ type: 'CreateBatch', reference: 'chairs', sku, quantity: 1 });
    await running.idle();
    await eventually(() =>
      expect(running.events.some(({ headers }) => String(headers.ce_subject) === sku)).toBe(true),
    );
  });
});

describe.skipIf(!inject('kafkaBrokers'))('a compressed record batch', () => {
  it('becomes a dead letter when its headers are named like object properties', async () => {
    const brokers = inject('kafkaBrokers') ?? '';
    await using running = await RunningService.start({ KAFKA_BROKERS: brokers });
    const producer = plainKafka(brokers).producer();
    await producer.connect();
    const { commandsTopic: topic } = running.config;
    const headers = { valueOf: 'x', constructor: 'y' };
    await producer.send({
      topic,
      compression: CompressionTypes.GZIP,
      messages: [{ partition: 0, value: 'no JSON', headers }],
    });
    await producer.disconnect();
    await running.idle();
    await eventually(() => expect(running.deadLetters).toHaveLength(1));
    expect(running.deadLetters[0]?.headers).toMatchObject({
      valueOf: Buffer.from('x'),
      constructor: Buffer.from('y'),
    });
  }, 60_000);
});
