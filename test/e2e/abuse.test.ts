// @module-tag db
// @module-tag kafka
// @module-tag slow

import fc from 'fast-check';
import kafkajs from 'kafkajs';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { redriveRecord } from '../../src/dead-letters/redrive-records.ts';
import { type Identity, idOf } from '../../src/domain/identity.ts';
import { readCommand } from '../../src/messages/incoming.ts';
import { MessageTooLargeError } from '../../src/service-layer/errors.ts';
import type { LogRecord, ReceivedRecord } from '../../src/service-layer/records.ts';
import { type AbusiveMessage, abusiveMessages, classCount } from '../support/abusive-messages.ts';
import { postgresDatabase } from '../support/databases.ts';
import { readDeadLetters } from '../support/dead-letters.ts';
import { eventually } from '../support/eventually.ts';
import { describeOnEachBroker, RunningService } from '../support/running-service.ts';
import { plainKafka } from '../support/topic-reader.ts';

/** ABUSE_SEED=… repeats a run. */
const seed = Number(process.env.ABUSE_SEED ?? Math.floor(Math.random() * 2 ** 31));
const MESSAGES = 10_000;
const STORIES = 400;
const CHUNK = 500;
const LAST = 20;
const LARGEST_BYTES = 6_000_000;
const STOCK_TABLES = ['products', 'batches', 'order_lines', 'allocations'];

interface Sent {
  readonly message: AbusiveMessage;
  readonly place: string;
}

/** A valid command, and the one right answer to it. */
interface Step {
  readonly record: LogRecord;
  readonly answer: { readonly type: string; readonly data: object };
}

/** Returns five valid commands about one product, in order. */
function story(number: number): readonly Step[] {
  const sku = `VALID ${number}`;
  const [reference, orderid] = [`batch ${number}`, `order ${number}`];
  const line = { orderid, sku, qty: 3 };
  const more = { orderid: `${orderid} more`, sku, qty: 100 };
  const step = (command: object, type: string, data: object): Step => ({
    record: { key: sku, value: JSON.stringify(command), headers: {} },
    answer: { type, data },
  });
  return [
    step({ type: 'CreateBatch', reference, sku, quantity: 10 }, 'BatchCreated', {
      reference,
      sku,
      quantity: 10,
      eta: null,
    }),
    step({ type: 'AllocateOrder', ...line }, 'Allocated', { ...line, batchref: reference }),
    step({ type: 'AllocateOrder', ...line }, 'AlreadyAllocated', { ...line, batchref: reference }),
    step({ type: 'ChangeBatchQuantity', reference, quantity: 7 }, 'BatchQuantityChanged', {
      reference,
      sku,
      quantity: 7,
    }),
    step({ type: 'AllocateOrder', ...more }, 'OutOfStock', more),
  ];
}

/** Mixes messages and stories at random. The steps of a story stay in order. */
function mix(
  messages: readonly AbusiveMessage[],
  stories: readonly (readonly Step[])[],
): readonly (AbusiveMessage | Step)[] {
  const numRuns = messages.length + stories.length * 5;
  const times = fc.sample(fc.noBias(fc.nat()), { seed, numRuns });
  const timed: { at: number; item: AbusiveMessage | Step }[] = messages.map((item, index) => ({
    at: times[index] ?? 0,
    item,
  }));
  for (const [index, steps] of stories.entries()) {
    const own = times.slice(messages.length + index * steps.length).slice(0, steps.length);
    own.sort((a, b) => a - b);
    timed.push(...steps.map((item, at) => ({ at: own[at] ?? 0, item })));
  }
  return timed.toSorted((a, b) => a.at - b.at).map(({ item }) => item);
}

/** Returns the record as its readers see it. */
function received({ value, headers }: LogRecord) {
  const bytes = (text: Buffer | string) => Buffer.from(text as string);
  const entries = Object.entries(headers).flatMap(([name, header]) => {
    if (header === undefined) return [];
    if (typeof header === 'string' || Buffer.isBuffer(header))
      return [[name, bytes(header)] as const];
    const [first, ...more] = header.map(bytes);
    return first === undefined
      ? []
      : [[name, more.length === 0 ? first : [first, ...more]] as const];
  });
  return { value: value === null ? null : bytes(value), headers: Object.fromEntries(entries) };
}

function grouped<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
): ReadonlyMap<string, readonly T[]> {
  return Map.groupBy(items, keyOf);
}

/** Returns the place of the command that an event answers, also for one part of a composite. */
function answeredPlace(topic: string, { headers }: ReceivedRecord): string {
  return String(headers.ce_id)
    .slice(topic.length + 1)
    .replace(/\.\d+$/, '');
}

function deadPlace({ headers }: ReceivedRecord): string {
  return `${headers['dead-letter-partition']}/${headers['dead-letter-offset']}`;
}

/** Lists where a dead letter differs from its message: in value, key and headers. */
function differences({ record }: AbusiveMessage, letter: ReceivedRecord): readonly string[] {
  const { value, headers } = received(record);
  const complaints: string[] = [];
  if (value === null ? letter.value !== null : !letter.value?.equals(value))
    complaints.push('has another value');
  if (String(letter.key) !== String(record.key)) complaints.push('has another key');
  for (const [name, header] of Object.entries(headers)) {
    if (name.startsWith('dead-letter-')) continue;
    if (!Object.hasOwn(letter.headers, name) || String(letter.headers[name]) !== String(header))
      complaints.push(`has another header ${name}`);
  }
  return complaints;
}

const brokers = inject('kafkaBrokers');
const name = `${MESSAGES} messages of ${classCount} bad kinds (ABUSE_SEED=${seed})`;
describeOnEachBroker(name, (environment) => itEndures(environment, false));
describe.skipIf(!brokers || !inject('postgresUrl'))(`${name}, on Kafka and PostgreSQL`, () =>
  itEndures({ KAFKA_BROKERS: brokers ?? '' }, true),
);

function itEndures(environment: Record<string, string>, isOnPostgres: boolean): void {
  let running: RunningService;
  let server: Awaited<ReturnType<typeof postgresDatabase>> | null = null;
  const sent: Sent[] = [];
  const steps: { readonly step: Step; readonly place: string }[] = [];
  /** Messages that are larger than the service's own clients send. */
  const oversized: Sent[] = [];
  const refusals: { readonly className: string; readonly error: unknown }[] = [];
  let answers: ReadonlyMap<string, readonly ReceivedRecord[]>;
  let letters: ReadonlyMap<string, readonly ReceivedRecord[]>;
  let refused: readonly AbusiveMessage[];

  beforeAll(async () => {
    process.stdout.write(`ABUSE_SEED=${seed}\n`);
    server = isOnPostgres ? await postgresDatabase() : null;
    running = await RunningService.start({
      ...environment,
      ...(server ? { DATABASE_URL: server.url } : {}),
    });
    const messages = abusiveMessages(seed, MESSAGES);
    refused = messages.filter(({ outcome }) => outcome === 'refused');
    await sendAll(
      mix(
        messages.filter((message) => !refused.includes(message)),
        Array.from({ length: STORIES }, (_, n) => story(n)),
      ),
    );
    for (const { className, record } of refused) {
      refusals.push({
        className,
        error: await running.send(record).then(
          () => null,
          (error: unknown) => error,
        ),
      });
    }
    if (environment.KAFKA_BROKERS) await sendByAnotherClient(environment.KAFKA_BROKERS, refused);
    await running.idle();
    await sendLast('the end');
    answers = grouped(running.events, (event) =>
      answeredPlace(running.config.commandsTopic, event),
    );
    letters = grouped(running.deadLetters, deadPlace);
  }, 120_000);

  afterAll(async () => {
    await running[Symbol.asyncDispose]();
    await server?.remove();
  });

  async function sendAll(items: readonly (AbusiveMessage | Step)[]): Promise<void> {
    for (let start = 0; start < items.length; start += CHUNK) {
      const chunk = items.slice(start, start + CHUNK);
      const places = await running.send(...chunk.map(({ record }) => record));
      for (const [index, item] of chunk.entries()) {
        const place = places[index] ?? '';
        if ('answer' in item) steps.push({ step: item, place });
        else sent.push({ message: item, place });
      }
    }
  }

  /** Sends with a client that ignores the limit, to a topic whose limit somebody has raised. */
  async function sendByAnotherClient(
    brokers: string,
    messages: readonly AbusiveMessage[],
  ): Promise<void> {
    const { commandsTopic: topic } = running.config;
    const kafka = plainKafka(brokers);
    const [admin, producer] = [kafka.admin(), kafka.producer()];
    await Promise.all([admin.connect(), producer.connect()]);
    const configEntries = [{ name: 'max.message.bytes', value: String(LARGEST_BYTES) }];
    const resource = { type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configEntries };
    await admin.alterConfigs({ validateOnly: false, resources: [resource] });
    for (const message of messages) {
      const { key, value, headers } = message.record;
      const [sent] = await producer.send({
        topic,
        messages: [{ partition: 0, key, value, headers: headers as kafkajs.IHeaders }],
      });
      oversized.push({ message, place: `0/${sent?.baseOffset}` });
    }
    await Promise.all([admin.disconnect(), producer.disconnect()]);
  }

  /**
   * Sends last messages to every partition, and waits for their outcomes. By then, the outcomes of
   * all earlier messages are read too.
   */
  async function sendLast(name: string): Promise<void> {
    const keys = Array.from({ length: LAST }, (_, n) => `${name} ${n}`);
    const commands = keys.map((sku) => ({ type: 'CreateBatch', reference: sku, sku, quantity: 1 }));
    await running.send(...commands, ...keys.map((key) => ({ key, value: name })));
    await eventually(
      () => {
        expect(
          running.events.filter(({ headers }) => String(headers.ce_subject).startsWith(name)),
        ).toHaveLength(LAST);
        expect(running.deadLetters.filter(({ value }) => String(value) === name)).toHaveLength(
          LAST,
        );
      },
      { withinMs: 20_000 },
    );
  }

  const stock = async () =>
    Promise.all(
      [0, 1, 2].map(async (n) =>
        (await fetch(`${running.service.http.url}/products/VALID%20${n}`)).json(),
      ),
    );

  it('each is answered once, or is one dead letter', () => {
    const complaints = sent.flatMap(({ message, place }) => {
      const { className, outcome, record } = message;
      const read = readCommand(received(record), place);
      const isAnswered = outcome === 'answered' || outcome === 'ignored';
      const isDead = outcome === 'judged' ? read.kind === 'unreadable' : !isAnswered;
      const reason = outcome === 'judged' && read.kind === 'unreadable' ? read.reason : outcome;
      const dead = letters.get(place) ?? [];
      const reasons = dead.map(({ headers }) => String(headers['dead-letter-reason']));
      const wrong = dead.flatMap((letter) => differences(message, letter));
      if (reasons.join() !== (isDead ? reason : '')) wrong.push(`dead letters: [${reasons}]`);
      if (isDead && answers.has(place)) wrong.push('answered');
      return wrong.map(
        (what) =>
          `${className} at ${place} (${outcome}): ${what}: ${String(record.value).slice(0, 200)}`,
      );
    });
    expect(complaints.slice(0, 20)).toEqual([]);
    expect(sent.length + refused.length).toBeGreaterThanOrEqual(MESSAGES);
  });

  it('each identity is answered once', () => {
    const commands = sent.flatMap(({ message, place }) => {
      const read = readCommand(received(message.record), place);
      return read.kind === 'command'
        ? [{ identity: read.identity, place, className: message.className }]
        : [];
    });
    const complaints = [...grouped(commands, ({ identity }) => identity)].flatMap(
      ([identity, places]) => {
        const events = places.flatMap(({ place }) => answers.get(place) ?? []);
        const isRight =
          events.length === 1 &&
          String(events[0]?.headers.ce_causationid).endsWith(idOf(identity as Identity));
        return isRight ? [] : [`${places[0]?.className}: ${identity} has ${events.length} answers`];
      },
    );
    expect(complaints.slice(0, 20)).toEqual([]);
  });

  it('the valid commands in between are answered rightly', () => {
    const found = steps.map(({ place }) =>
      (answers.get(place) ?? []).map(({ headers, value }) => ({
        type: String(headers.ce_type),
        data: JSON.parse(String(value)),
      })),
    );
    expect(found).toEqual(steps.map(({ step }) => [step.answer]));
    expect(steps).toHaveLength(STORIES * 5);
  });

  it('nothing is answered or a dead letter that nobody sent', () => {
    const places = new Set([...sent, ...steps, ...oversized].map(({ place }) => place));
    const strange = [...answers.keys(), ...letters.keys()].filter((place) => !places.has(place));
    expect(strange).toHaveLength(2 * LAST);
  });

  it('a message too large for the log is refused, and the error says so', () => {
    const complaints = refusals.filter(
      ({ error }) =>
        !(
          error instanceof MessageTooLargeError &&
          /bytes is too large: .* at most \d+/.test(error.message)
        ),
    );
    expect(complaints).toEqual([]);
    expect(refusals).toHaveLength(refused.length);
  });

  it.skipIf(!environment.KAFKA_BROKERS)(
    'a value too large from another client is one dead letter that says its place',
    () => {
      const found = oversized.map(({ message: { className }, place }) => [
        className,
        (answers.get(place) ?? []).length,
        (letters.get(place) ?? []).map(({ key, value, headers }) => {
          const own = Object.keys(headers).every((name) => name.startsWith('dead-letter-'));
          const saysWhere = String(headers['dead-letter-message']).includes(
            ` at ${running.config.commandsTopic}/${place}`,
          );
          return { key, value, reason: String(headers['dead-letter-reason']), own, saysWhere };
        }),
      ]);
      const letter = { key: null, value: null, reason: 'too-large', own: true, saysWhere: true };
      // Large headers make no command too large.
      expect(found).toEqual(
        refused.map(({ className }) =>
          className === '5 MB' ? [className, 0, [letter]] : [className, 1, []],
        ),
      );
      expect(found.length).toBeGreaterThan(0);
    },
  );

  it('the service is alive and ready, and its stock is right', async () => {
    const statusOf = async (path: string) =>
      (await fetch(`${running.service.http.url}/${path}`)).status;
    expect(await statusOf('healthz')).toBe(200);
    // On a busy machine the broker may answer late, and the service is not ready for that moment.
    await eventually(async () => expect(await statusOf('readyz')).toBe(200));
    expect(running.log.filter(({ level }) => Number(level) >= 50)).toEqual([]);
    expect(running.service.consumer.problems()).toEqual([]);
    expect(await stock()).toMatchObject(
      [0, 1, 2].map((n) => ({
        sku: `VALID ${n}`,
        version: 4,
        batches: [{ quantity: 7, availableQuantity: 4 }],
      })),
    );
  });

  it('a second redrive of all dead letters changes nothing', async () => {
    const { broker, database } = running.service;
    const { deadLettersTopic, commandsTopic } = running.config;
    const tables = () =>
      Promise.all(
        STOCK_TABLES.map((table) => database.query(`select * from ${table} order by 1, 2`)),
      );
    const all = () => readDeadLetters(broker, deadLettersTopic);
    await broker.publish(deadLettersTopic, [0, 1, 2].map(failedCommand));
    const first = await all();
    const failed = first.filter(({ reason }) => reason === 'handler-failed');
    const empty = first.filter(({ record }) => record.value === null);
    const events = running.events.length;
    expect(await redriveAll()).toEqual({
      redriven: first.length - empty.length,
      refused: empty.length,
    });
    await running.idle();
    await sendLast('once');
    expect(running.events.length).toBe(events + failed.length + LAST);
    expect(await stock()).toMatchObject(
      [0, 1, 2].map(() => ({ version: 5, batches: [{ availableQuantity: 3 }] })),
    );
    // Unreadable messages become dead letters again.
    const second = await all();
    expect(second.length).toBe(first.length + first.length - empty.length - failed.length + LAST);

    const before = await tables();
    expect(await redriveAll()).toEqual({
      redriven: first.length - empty.length - failed.length + LAST,
      refused: empty.length,
    });
    // A crash between the sending and the marker lets a redrive send these again.
    await broker.publish(commandsTopic, failed.map(redriveRecord));
    await running.idle();
    expect(await tables()).toEqual(before);
    await sendLast('twice');
    expect(running.events.length).toBe(events + failed.length + 2 * LAST);
  }, 240_000);

  /** Makes the dead letter of a valid command whose handler failed. */
  function failedCommand(number: number): LogRecord {
    const sku = `VALID ${number}`;
    const value = JSON.stringify({
      type: 'AllocateOrder',
      orderid: `redriven ${number}`,
      sku,
      qty: 1,
    });
    const why = {
      reason: 'handler-failed',
      message: 'The handler failed',
      topic: running.config.commandsTopic,
      partition: '0',
      offset: String(1_000_000 + number),
      attempts: '4',
      'failed-at': '2026-11-23T12:00:00.000Z',
    };
    return {
      key: sku,
      value,
      headers: Object.fromEntries(
        Object.entries(why).map(([name, text]) => [`dead-letter-${name}`, text]),
      ),
    };
  }

  /** Redrives as an operator does. @returns how many dead letters had each result */
  async function redriveAll(): Promise<Readonly<Record<string, number>>> {
    const { code, stdout } = await running.cli(
      'dead-letters',
      'redrive',
      '--all',
      '--execute',
      '--json',
    );
    expect(code).toBe(1); // Some are refused.
    const results = stdout
      .trim()
      .split('\n')
      .map((line): string => JSON.parse(line).result);
    return Object.fromEntries(
      [...grouped(results, (result) => result)].map(([result, same]) => [result, same.length]),
    );
  }
}
