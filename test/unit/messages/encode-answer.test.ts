import { describe, expect, it } from 'vitest';
import { bytesOf } from '../../../src/adapters/record-bytes.ts';
import { encodeDeadLetter } from '../../../src/dead-letters/encode-dead-letter.ts';
import type { Event } from '../../../src/domain/events.ts';
import { type Answer, encodeAnswer } from '../../../src/messages/encode-answer.ts';
import { MAX_COMPOSITE_BYTES } from '../../../src/messages/split-composite.ts';
import { asStructuredEvent } from '../../../src/messages/structured-events.ts';

/** The size of the header of a record batch. */
const BATCH_HEADER_BYTES = 61;
const time = '2026-11-23T12:00:00.000Z';
const allocated: Event = {
  type: 'Allocated',
  orderid: 'o',
  sku: 'S',
  qty: 2,
  batchref: 'b',
  version: 3,
};
const deallocated: Event = {
  type: 'Deallocated',
  orderid: 'o',
  sku: 'S',
  qty: 2,
  batchref: 'b',
  version: 4,
  because: 'batch-shrank',
};
const answer = (events: readonly Event[], more: Partial<Answer> = {}): Answer => ({
  topic: 'commands',
  partition: 1,
  offset: 9,
  identity: 'cmd',
  correlationId: 'session',
  traceparent: null,
  command: { type: 'AllocateOrder', orderid: 'o', lines: [] },
  events,
  time,
  ...more,
});

describe('an answer with one event', () => {
  it('is that event as a CloudEvent in binary mode, keyed by its sku', () => {
    expect(encodeAnswer(answer([allocated]))).toStrictEqual([
      {
        key: 'S',
        value: '{"orderid":"o","sku":"S","qty":2,"batchref":"b"}',
        headers: {
          'content-type': 'application/json',
          ce_specversion: '1.0',
          ce_id: 'commands/1/9',
          ce_source: '/allocation',
          ce_type: 'Allocated',
          ce_dataschema: '/allocation/schemas/Allocated/1',
          ce_subject: 'S',
          ce_time: '2026-11-23T12:00:00.000Z',
          ce_causationid: 'cmd',
          ce_causationform: 'id',
          ce_correlationid: 'session',
          ce_sequence: '3',
        },
      },
    ]);
  });

  it('does not publish why a line was deallocated', () => {
    expect(JSON.parse(encodeAnswer(answer([deallocated]))[0]?.value ?? '')).toEqual({
      orderid: 'o',
      sku: 'S',
      qty: 2,
      batchref: 'b',
    });
  });

  it('that is a rejection has no sequence, but the ids that it is about', () => {
    const rejected: Event = {
      type: 'CommandRejected',
      command: 'ChangeBatchQuantity',
      reason: 'unknown-batch',
      detail: 'There is none',
      reference: 'b',
    };
    const [message] = encodeAnswer(
      answer([rejected], { command: { type: 'ChangeBatchQuantity', reference: 'b', quantity: 1 } }),
    );
    expect(message).toMatchObject({ key: 'b', headers: { ce_subject: 'b' } });
    expect(message?.headers).not.toHaveProperty('ce_sequence');
    expect(JSON.parse(message?.value ?? '')).toEqual({
      command: 'ChangeBatchQuantity',
      reason: 'unknown-batch',
      detail: 'There is none',
      reference: 'b',
    });
  });

  it('names the source of a CloudEvent, and then no form of the id', () => {
    const [message] = encodeAnswer(answer([allocated], { identity: '/shop\tcmd' }));
    expect(message?.headers).toMatchObject({ ce_causationid: 'cmd', ce_causationsource: '/shop' });
    expect(message?.headers).not.toHaveProperty('ce_causationform');
  });

  it('has an empty key if it is a rejection without ids', () => {
    const rejected: Event = {
      type: 'CommandRejected',
      command: 'AllocateOrder',
      reason: 'unknown-sku',
      detail: '',
    };
    expect(encodeAnswer(answer([rejected]))).toMatchObject([{ key: '' }]);
  });

  it('continues the trace of its command', () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    expect(encodeAnswer(answer([allocated], { traceparent }))[0]?.headers).toMatchObject({
      traceparent,
    });
  });
});

describe('an answer with several events', () => {
  it('is one composite of structured CloudEvents, numbered within its id', () => {
    const [message, ...more] = encodeAnswer(answer([deallocated, { ...allocated, version: 5 }]));
    expect(more).toEqual([]);
    expect(message?.headers).toMatchObject({
      ce_type: 'CompositeDomainEvent',
      ce_id: 'commands/1/9',
      ce_dataschema: '/allocation/schemas/CompositeDomainEvent/1',
    });
    expect(JSON.parse(message?.value ?? '').events).toMatchObject([
      {
        specversion: '1.0',
        id: 'commands/1/9/1',
        type: 'Deallocated',
        subject: 'S',
        sequence: '4',
        causationid: 'cmd',
        causationform: 'id',
        dataschema: '/allocation/schemas/Deallocated/1',
        data: { orderid: 'o' },
      },
      {
        specversion: '1.0',
        id: 'commands/1/9/2',
        type: 'Allocated',
        sequence: '5',
        datacontenttype: 'application/json',
      },
    ]);
  });

  it('is keyed by the order for an order command, and by the sku for a batch command', () => {
    expect(encodeAnswer(answer([allocated, allocated]))[0]).toMatchObject({
      key: 'o',
      headers: { ce_subject: 'o' },
    });
    const command = { type: 'ChangeBatchQuantity', reference: 'b', quantity: 1 } as const;
    expect(encodeAnswer(answer([deallocated, allocated], { command }))[0]).toMatchObject({
      key: 'S',
      headers: { ce_subject: 'S' },
    });
  });

  it('that is too large for one record is split without losing an event', () => {
    const events = Array.from(
      { length: 10_000 },
      (_, index): Event => ({ ...allocated, orderid: `order-${index}`, version: index + 1 }),
    );
    const messages = encodeAnswer(answer(events));
    expect(messages.length).toBeGreaterThan(1);
    expect(messages.map(({ headers }) => headers.ce_id).slice(0, 3)).toEqual([
      'commands/1/9',
      'commands/1/9.2',
      'commands/1/9.3',
    ]);
    expect(
      messages.every(({ value }) => Buffer.byteLength(value) <= MAX_COMPOSITE_BYTES + 100),
    ).toBe(true);
    const inside = messages.flatMap(({ value }) =>
      JSON.parse(value).events.map(({ id }: { id: string }) => id),
    );
    expect(inside).toEqual(events.map((_, index) => `commands/1/9/${index + 1}`));
  });

  it.each([20_000, 100_000, 900_100])(
    'never needs a record batch of more than %i bytes',
    (maxMessageBytes) => {
      const long = 'é'.repeat(255);
      const events = Array.from(
        { length: 2_000 },
        (_, index): Event => ({ ...allocated, orderid: `${long}${index}`, version: index + 1 }),
      );
      const messages = encodeAnswer(
        answer(events, { correlationId: 'c'.repeat(3_000), traceparent: long }),
        maxMessageBytes,
      );
      const sizes = messages.map((message) => BATCH_HEADER_BYTES + bytesOf(message));
      expect(Math.max(...sizes)).toBeLessThanOrEqual(maxMessageBytes);
      expect(Math.max(...sizes)).toBeGreaterThan(
        Math.min(maxMessageBytes, MAX_COMPOSITE_BYTES) - 10_000,
      );
    },
  );

  it('puts an event that is too large for the topic into a message of its own', () => {
    expect(encodeAnswer(answer([allocated, allocated, allocated]), 100)).toHaveLength(3);
  });
});

it('an answer without events needs no message', () => {
  expect(encodeAnswer(answer([]))).toEqual([]);
});

describe('a dead letter', () => {
  const original = {
    topic: 'commands',
    partition: 1,
    offset: 9,
    key: Buffer.from([1]),
    value: Buffer.from([0xff, 0]),
    headers: { mine: Buffer.from('kept') },
  };
  const why = {
    reason: 'malformed',
    message: 'not\u0000JSON \ud800',
    attempts: 1,
    failedAt: time,
    parked: null,
  } as const;

  it('keeps the bytes and headers of the original, and gives a printable reason', () => {
    const { key, value, headers } = encodeDeadLetter(original, why, 10_000);
    expect({ key, value }).toEqual({ key: original.key, value: original.value });
    expect(headers).toEqual({
      mine: Buffer.from('kept'),
      'dead-letter-reason': 'malformed',
      'dead-letter-message': 'not\uFFFDJSON \uFFFD',
      'dead-letter-topic': 'commands',
      'dead-letter-partition': '1',
      'dead-letter-offset': '9',
      'dead-letter-attempts': '1',
      'dead-letter-failed-at': '2026-11-23T12:00:00.000Z',
    });
  });

  it('drops forged dead-letter headers, except a valid count of redrives', () => {
    const forged = {
      'dead-letter-command-id': 'another',
      'dead-letter-position': '1',
      'dead-letter-anything': 'x',
    };
    const redrives = { 'dead-letter-redrives': Buffer.from('2') };
    const { headers } = encodeDeadLetter(
      { ...original, headers: { ...original.headers, ...forged, ...redrives } },
      why,
      10_000,
    );
    expect(headers).toMatchObject({ mine: Buffer.from('kept'), ...redrives });
    for (const name of Object.keys(forged)) expect(headers).not.toHaveProperty([name]);
    const tooMany = { ...original, headers: { 'dead-letter-redrives': '1e400' } };
    expect(encodeDeadLetter(tooMany, why, 10_000).headers).not.toHaveProperty([
      'dead-letter-redrives',
    ]);
  });

  it('of a parked command keeps its parking headers even if its value does not fit', () => {
    const parked = { id: '/shop\tcmd-2', skus: ['LAMP, large'], behind: ['cmd-1'], position: 7 };
    const { headers } = encodeDeadLetter(
      { ...original, value: Buffer.alloc(20_000) },
      { ...why, parked },
      10_000,
    );
    expect(headers).toMatchObject({
      'dead-letter-command-id': 'cmd-2',
      'dead-letter-command-identity': '/shop\tcmd-2',
      'dead-letter-skus': '["LAMP, large"]',
      'dead-letter-behind': '["cmd-1"]',
      'dead-letter-position': '7',
    });
  });

  it('without room for its value names the place of the original', () => {
    const { value, headers } = encodeDeadLetter(
      { ...original, value: Buffer.alloc(20_000) },
      why,
      10_000,
    );
    expect(value).toBeNull();
    expect(headers['dead-letter-message']).toContain('commands/1/9');
  });

  it('never needs more bytes than its topic takes', () => {
    const parked = {
      id: 'cmd',
      skus: ['é'.repeat(255)],
      behind: Array.from({ length: 20 }, () => 'é'.repeat(255)),
      position: 7,
    };
    const letters = [9_000, 9_990, 18_000].flatMap((size) =>
      [null, parked].map((each) => {
        const message = '‼'.repeat(2_000);
        return encodeDeadLetter(
          { ...original, value: Buffer.alloc(size) },
          { ...why, message, parked: each },
          20_000,
        );
      }),
    );
    expect(
      Math.max(...letters.map((letter) => BATCH_HEADER_BYTES + bytesOf(letter))),
    ).toBeLessThanOrEqual(20_000);
    expect(letters.map(({ value }) => value !== null)).toEqual([
      true,
      true,
      true,
      true,
      false,
      false,
    ]);
  });
});

describe('a record as a structured event', () => {
  it('has the attributes of its headers and the data of its value', () => {
    const [message] = encodeAnswer(answer([allocated]));
    const event = asStructuredEvent({
      value: Buffer.from(message?.value ?? ''),
      headers: message?.headers ?? {},
    });
    expect(event).toMatchObject({
      id: 'commands/1/9',
      type: 'Allocated',
      sequence: '3',
      data: { sku: 'S' },
    });
  });

  it('has its value as text if the value is not JSON', () => {
    expect(asStructuredEvent({ value: Buffer.from('not JSON'), headers: {} })).toMatchObject({
      data: 'not JSON',
    });
  });
});
