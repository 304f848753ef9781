import { describe, expect, it } from 'vitest';
import type { Event } from '../../../src/domain/events.ts';
import type {
  AnswerContext,
  DeliveryPart,
  RecordAnswer,
} from '../../../src/entrypoints/answer-context.ts';
import { encodeAnswers } from '../../../src/entrypoints/encode-answers.ts';
import type { IncomingCommand } from '../../../src/messages/read-command.ts';
import { unreadable } from '../../../src/messages/unreadable.ts';

const answerContext = {
  clock: () => new Date('2027-01-15T09:30:00Z'),
  eventsTopic: 'events',
  deadLettersTopic: 'dead-letters',
} as AnswerContext;
const part: DeliveryPart = {
  lane: { topic: 'commands', partition: 2 },
  records: [],
  position: { nextOffset: 7, nextSequence: 40 },
  publishedBelowOffset: 0,
  deadLetterMaxBytes: 10_000,
  eventMaxBytes: 10_000,
  failure: null,
  settledBelowOffset: 0,
  maxAnswerBytes: 10_000,
};
const incoming: IncomingCommand = {
  kind: 'command',
  id: 'id',
  identity: '/shop\tid',
  correlationId: 'session',
  traceparent: 'trace',
  command: { type: 'AllocateOrder', orderid: 'o', lines: [] },
};
const outOfStock: Event = { type: 'OutOfStock', orderid: 'o', sku: 'LAMP', qty: 1, version: 3 };
const parked = { id: 'id', subjects: ['sku:LAMP'], behind: [], position: 1, isRedriven: false };

const answer = (offset: number, changes: Partial<RecordAnswer> = {}): RecordAnswer => ({
  record: {
    topic: 'commands',
    partition: 2,
    offset,
    timestampMs: 0,
    key: null,
    value: Buffer.from('{}'),
    headers: {},
  },
  incoming,
  events: [outOfStock],
  parked: null,
  ...changes,
});
const encode = (answers: readonly RecordAnswer[], failure: DeliveryPart['failure'] = null) =>
  encodeAnswers(answers, { ...part, failure }, answerContext);

/** Returns why the answer became a dead letter. */
async function causeOf(changes: Partial<RecordAnswer>, failure: DeliveryPart['failure'] = null) {
  const [letter] = await encode([answer(7, changes)], failure);
  expect(letter?.topic).toBe('dead-letters');
  const { headers = {} } = letter ?? {};
  return [
    headers['dead-letter-reason'],
    headers['dead-letter-message'],
    headers['dead-letter-attempts'],
  ];
}

describe('The answers of a transaction', () => {
  it('are records in the order of their commands, each with its sequence', async () => {
    const two = [outOfStock, { ...outOfStock, version: 4 }];
    const records = await encode([
      answer(7),
      answer(8, { events: [] }),
      answer(9, { events: null }),
      answer(10, { events: two }),
    ]);
    expect(
      records.map(({ topic, sequence, sourceOffset }) => [topic, sequence, sourceOffset]),
    ).toEqual([
      ['events', 40, 7],
      ['dead-letters', 41, 9],
      ['events', 42, 10],
    ]);
  });

  it('name their command, its trace and the time of the decision', async () => {
    const [record] = await encode([answer(7)]);
    expect(record).toMatchObject({ key: 'LAMP', value: '{"orderid":"o","sku":"LAMP","qty":1}' });
    expect(record?.headers).toMatchObject({
      ce_id: 'commands/2/7',
      ce_time: '2027-01-15T09:30:00.000Z',
      ce_causationid: 'id',
      ce_causationsource: '/shop',
      ce_correlationid: 'session',
      traceparent: 'trace',
    });
  });

  it('continue the state of a trace', async () => {
    const traced = { ...incoming, tracestate: 'vendor=1' };
    const [record] = await encode([answer(7, { incoming: traced })]);
    expect(record?.headers.tracestate).toBe('vendor=1');
  });

  it('are all there if there are more than are encoded without a pause', async () => {
    const many = Array.from({ length: 501 }, (_, offset) => answer(offset));
    expect((await encode(many)).map(({ sourceOffset }) => sourceOffset)).toEqual([...many.keys()]);
  });
});

describe('A dead letter', () => {
  it('keeps the bytes of its message, and has the time', async () => {
    const [letter] = await encode([answer(7, { events: null })]);
    expect(letter?.value).toEqual(Buffer.from('{}'));
    expect(letter?.headers['dead-letter-failed-at']).toBe('2027-01-15T09:30:00.000Z');
  });

  it('says why a message is no command', async () => {
    const fault = unreadable('unknown-type', 'Unknown command "Ship"');
    expect(await causeOf({ incoming: fault })).toEqual([
      'unknown-type',
      'Unknown command "Ship"',
      '1',
    ]);
  });

  it('says why a command is refused', async () => {
    const refusal = 'Order o would let too many lines go';
    expect(await causeOf({ events: null, refusal })).toEqual(['too-large', refusal, '1']);
  });

  it('says how a handler failed, and how often', async () => {
    const failure = { message: 'The handler is broken', attempts: 4 };
    expect(await causeOf({ events: null, parked }, failure)).toEqual([
      'handler-failed',
      'The handler is broken',
      '4',
    ]);
  });

  it('says no more if nothing else is known', async () => {
    expect(await causeOf({ events: null })).toEqual(['handler-failed', '', '1']);
  });

  it('says behind which commands its own is parked', async () => {
    const behind = ['/shop\tfirst', 'second'];
    expect(await causeOf({ events: null, parked: { ...parked, behind } })).toEqual([
      'parked-behind',
      'The command waits behind first, second, which failed',
      '0',
    ]);
  });

  it('of a parked command names its products', async () => {
    const [letter] = await encode([answer(7, { events: null, parked })]);
    expect(letter?.headers).toMatchObject({
      'dead-letter-command-id': 'id',
      'dead-letter-skus': '["LAMP"]',
    });
  });
});
