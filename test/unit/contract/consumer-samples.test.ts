import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { asDeadLetters } from '../../../src/dead-letters/read-dead-letter.ts';
import { redriveRecord, replacementRecord } from '../../../src/dead-letters/redrive-records.ts';
import { type Command, MAX_LINES_LET_GO } from '../../../src/domain/commands.ts';
import type { Event } from '../../../src/domain/events.ts';
import { encodeAnswer } from '../../../src/messages/encode-answer.ts';
import { hasSequence } from '../../../src/messages/event-versions.ts';
import { MAX_COMMAND_BYTES, readCommand } from '../../../src/messages/read-command.ts';
import { MAX_COMPOSITE_BYTES } from '../../../src/messages/split-composite.ts';
import type { LogRecord } from '../../../src/service-layer/records.ts';
import { meetingCommands } from '../../support/arbitrary-commands.ts';
import { quietBus } from '../../support/commands.ts';
import { InMemoryUnitOfWork } from '../../support/in-memory.ts';

/** What the samples of the page export. */
interface StockEvent {
  readonly id: string;
  readonly type: string;
  readonly sequence: number | null;
  readonly data: Readonly<Record<string, unknown>>;
}
interface Samples {
  readonly eventsIn: (record: EventRecord) => StockEvent[];
  readonly Stock: new () => {
    readonly batches: ReadonlyMap<
      string,
      { readonly quantity: number; readonly allocated: number }
    >;
    take(event: StockEvent): void;
  };
  readonly Holders: new () => {
    readonly held: ReadonlyMap<string, number>;
    take(event: StockEvent): void;
  };
  readonly HoldBack: new (
    handle: (event: StockEvent) => void,
  ) => { take(event: StockEvent): void; readonly gaps: readonly (readonly [string, number])[] };
}

interface EventRecord {
  readonly key: string;
  readonly headers: Readonly<Record<string, string | Buffer>>;
  readonly value: string | Buffer;
}

const page = readFileSync(join(import.meta.dirname, '../../../docs/contract.md'), 'utf8');
const section = page.split('### What consumers must know\n')[1]?.split('\n## ')[0] ?? '';
const blocksOf = (language: string) =>
  [...section.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'))].map(
    ([, code = '']) => code,
  );

let samples: Samples;

beforeAll(async () => {
  const code = stripTypeScriptTypes(blocksOf('ts').join('\n'));
  samples = await import(`data:text/javascript,${encodeURIComponent(code)}`);
});

const TIME = '2027-01-31T12:00:00.000Z';
const PARTITIONS = 4;
const COMMANDS_TOPIC = 'allocation.commands';

/** A command's answer as records, with the events in it. */
function answerTo(
  command: Command,
  events: readonly Event[],
  { partition = 0, offset = 0, maxBytes = Number.POSITIVE_INFINITY, identity = 'cmd' } = {},
): readonly EventRecord[] {
  const source = { topic: COMMANDS_TOPIC, partition, offset, identity };
  const more = { correlationId: identity.split('\t').at(-1) ?? '', traceparent: null, time: TIME };
  return encodeAnswer({ ...source, ...more, command, events }, maxBytes);
}

interface History {
  /** The records of the events topic, by partition. */
  readonly partitions: readonly (readonly EventRecord[])[];
  readonly events: readonly Event[];
  readonly stock: ReadonlyMap<string, number>;
  /** What each order holds of each batch. */
  readonly held: ReadonlyMap<string, number>;
}

/** Handles the commands, and publishes their answers as the service does. */
async function historyOf(commands: readonly Command[], maxBytes: number): Promise<History> {
  const unitOfWork = new InMemoryUnitOfWork();
  const bus = quietBus();
  const partitions: EventRecord[][] = Array.from({ length: PARTITIONS }, () => []);
  const all: Event[] = [];
  for (const [offset, command] of commands.entries()) {
    const events = await bus.handle(command, unitOfWork);
    all.push(...events);
    for (const record of answerTo(command, events, { partition: offset % 3, offset, maxBytes })) {
      const hash = [...record.key].reduce((sum, letter) => sum + letter.charCodeAt(0), 0);
      partitions[hash % PARTITIONS]?.push(record);
    }
  }
  const stock = [...unitOfWork.all.values()].flatMap(({ batches }) =>
    batches.map(({ reference, availableQuantity }) => [reference, availableQuantity] as const),
  );
  const held = [...unitOfWork.all.values()].flatMap(({ sku, batches }) =>
    batches.flatMap(({ reference, lines }) =>
      [...lines].map(
        ({ orderid, qty }) => [JSON.stringify([orderid, sku, reference]), qty] as const,
      ),
    ),
  );
  return { partitions, events: all, stock: new Map(stock), held: new Map(held) };
}

/**
 * Reads all partitions as a consumer does: in the order of each, mixed by chance. Some records come
 * again, as after a crash, and at the end come copies with `ce_replay`.
 */
function* received({ partitions }: History, chance: readonly number[]): Generator<EventRecord> {
  const next = partitions.map(() => 0);
  const isLeft = () => partitions.some(({ length }, index) => (next[index] ?? 0) < length);
  for (let turn = 0; isLeft(); turn += 1) {
    const roll = (chance[turn % chance.length] ?? 0) + turn;
    const waiting = partitions.flatMap(({ length }, index) =>
      (next[index] ?? 0) < length ? [index] : [],
    );
    const chosen = waiting[roll % waiting.length] ?? 0;
    const at = next[chosen] ?? 0;
    yield partitions[chosen]?.[at] as EventRecord;
    // A crash: up to two records come again. The turn keeps it from going on for ever.
    next[chosen] = roll % 5 === 0 && turn < 200 ? Math.max(0, at - 1) : at + 1;
  }
  for (const record of partitions.flat().toReversed())
    yield { ...record, headers: { ...record.headers, ce_replay: 'true' } };
}

const asBuffers = ({ key, headers, value }: EventRecord): EventRecord => ({
  key,
  value: Buffer.from(value),
  headers: Object.fromEntries(
    Object.entries(headers).map(([name, text]) => [name, Buffer.from(text as string)]),
  ),
});

/** Tells whether Python is there. In CI it must be. */
function hasPython(): boolean {
  const isThere = spawnSync('python3', ['--version']).status === 0;
  if (!isThere && process.env.CI)
    throw new Error('python3 is missing (Debian: apt-get install python3)');
  if (!isThere) process.stderr.write('The Python sample is not tested: python3 is missing\n');
  return isThere;
}

/** Runs the sample in Python on records, with headers and values as confluent-kafka has them. */
const COUNT_IN_PYTHON = `
import sys

def left(records):
    stock = Stock()
    for headers, value in records:
        for event in events_in([(name, text.encode()) for name, text in headers], value.encode()):
            stock.take(event)
    return {name: each["quantity"] - each["allocated"] for name, each in stock.batches.items()}

print(json.dumps([left(records) for records in json.load(sys.stdin)]))
`;

const inOrder = (events: readonly Event[]) =>
  Map.groupBy(
    events.flatMap((event) => ('version' in event ? [event] : [])),
    ({ sku }) => sku,
  );
const histories = fc.record({
  commands: meetingCommands,
  maxBytes: fc.constantFrom(1_500, Number.POSITIVE_INFINITY),
  chance: fc.array(fc.nat(1_000), { minLength: 3, maxLength: 40 }),
});

describe('the samples of the contract', () => {
  it('hand over every event once, those of each sku in their order', async () => {
    let outOfOrder = 0;
    await fc.assert(
      fc.asyncProperty(histories, async ({ commands, maxBytes, chance }) => {
        const history = await historyOf(commands, maxBytes);
        const handled: StockEvent[] = [];
        const highest = new Map<unknown, number>();
        const holdBack = new samples.HoldBack((event) => handled.push(event));
        const seen = new Set<string>();
        for (const record of received(history, chance)) {
          for (const event of samples.eventsIn(asBuffers(record))) {
            const { sequence, data } = event;
            if (sequence !== null && !seen.has(event.id)) {
              if (sequence < (highest.get(data.sku) ?? 0)) outOfOrder += 1;
              highest.set(data.sku, Math.max(sequence, highest.get(data.sku) ?? 0));
            }
            seen.add(event.id);
            holdBack.take(event);
          }
        }
        expect(holdBack.gaps).toEqual([]);
        expect(handled).toHaveLength(history.events.length);
        for (const [sku, events] of inOrder(history.events)) {
          const ofSku = handled.filter((each) => each.sequence !== null && each.data.sku === sku);
          expect(ofSku.map(({ sequence, type }) => [sequence, type])).toEqual(
            events.map(({ version, type }) => [version, type]),
          );
        }
      }),
      { numRuns: 300 },
    );
    // A consumer that drops lower sequences as repeats would have lost these events.
    expect(outOfOrder).toBeGreaterThan(100);
  });

  it('count the stock rightly from events in any order', async () => {
    await fc.assert(
      fc.asyncProperty(histories, async ({ commands, maxBytes, chance }) => {
        const history = await historyOf(commands, maxBytes);
        const stock = new samples.Stock();
        for (const record of received(history, chance))
          for (const event of samples.eventsIn(record)) stock.take(event);
        const left = [...stock.batches].map(
          ([reference, { quantity, allocated }]) => [reference, quantity - allocated] as const,
        );
        expect(new Map(left)).toEqual(history.stock);
      }),
      { numRuns: 300 },
    );
  });

  it.skipIf(!hasPython())('count the stock rightly in Python too', async () => {
    const several = fc.sample(histories, { numRuns: 40, seed: 20 });
    const given: unknown[] = [];
    const expected: object[] = [];
    for (const { commands, maxBytes, chance } of several) {
      const history = await historyOf(commands, maxBytes);
      expected.push(Object.fromEntries(history.stock));
      const records = [...received(history, chance)];
      given.push(records.map(({ headers, value }) => [Object.entries(headers), String(value)]));
    }
    const program = [...blocksOf('python'), COUNT_IN_PYTHON].join('\n');
    const input = JSON.stringify(given);
    const { stdout, stderr } = spawnSync('python3', ['-c', program], { input, encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual(expected);
  });

  it('know who holds what from events in any order', async () => {
    await fc.assert(
      fc.asyncProperty(histories, async ({ commands, maxBytes, chance }) => {
        const history = await historyOf(commands, maxBytes);
        const holders = new samples.Holders();
        for (const record of received(history, chance))
          for (const event of samples.eventsIn(record)) holders.take(event);
        expect(holders.held).toEqual(history.held);
      }),
      { numRuns: 300 },
    );
  });

  it('name the sequence that a sku waits for', () => {
    const handled: number[] = [];
    const holdBack = new samples.HoldBack(({ sequence }) => handled.push(sequence ?? 0));
    const event = (sequence: number) => ({
      id: `c/0/${sequence}`,
      type: 'OutOfStock',
      sequence,
      data: { sku: 'LAMP' },
    });
    for (const sequence of [1, 4, 3]) holdBack.take(event(sequence));
    expect([handled, holdBack.gaps]).toEqual([[1], [['LAMP', 2]]]);
    holdBack.take(event(2));
    expect([handled, holdBack.gaps]).toEqual([[1, 2, 3, 4], []]);
  });
});

describe('what the contract tells consumers', () => {
  it('shows a composite as the service publishes it', () => {
    const command: Command = { type: 'AllocateOrder', orderid: 'order-1', lines: [] };
    const events: readonly Event[] = [
      {
        type: 'Allocated',
        orderid: 'order-1',
        sku: 'LAMP',
        qty: 2,
        batchref: 'batch-9',
        version: 8,
      },
      {
        type: 'CommandRejected',
        command: 'AllocateOrder',
        reason: 'unknown-sku',
        detail: 'No batch of sku SOFA was ever created',
        orderid: 'order-1',
        sku: 'SOFA',
      },
    ];
    const place = { partition: 2, offset: 17, identity: '/shop\tcmd-1' };
    const [record] = answerTo(command, events, place);
    const [shown] = blocksOf('json').map((text) => JSON.parse(text));
    expect(shown).toEqual({ ...record, value: JSON.parse(String(record?.value)) });
    expect(samples.eventsIn({ ...shown, value: JSON.stringify(shown.value) })).toMatchObject([
      { id: 'allocation.commands/2/17/1', type: 'Allocated', sequence: 8 },
      { id: 'allocation.commands/2/17/2', type: 'CommandRejected', sequence: null },
    ]);
  });

  it('names every event without a sequence', () => {
    const without = Object.entries(hasSequence).flatMap(([type, has]) => (has ? [] : [type]));
    const named = section.match(/^- (.*) have no sequence/m)?.[1]?.match(/\w+(?=`)/g);
    expect(named?.toSorted()).toEqual(without.toSorted());
  });

  it('names the ids of answers after a redrive and after an edit', () => {
    const original = { type: 'DeallocateOrder', id: 'cmd-1', orderid: 'o', note: 'unknown' };
    const place = { topic: 'dead', partition: 0, offset: 0, timestampMs: 0, key: null };
    const value = Buffer.from(JSON.stringify(original));
    const headers = { 'dead-letter-reason': 'invalid-data', ce_correlationid: 'session' };
    const [letter] = asDeadLetters([{ ...place, value, headers }]);
    if (!letter) throw new Error('There is no letter');
    const headersOf = ({ value, headers }: LogRecord) => {
      const record = { value: value === null ? null : Buffer.from(value), headers };
      const read = readCommand(record, `${COMMANDS_TOPIC}/1/99`);
      if (read.kind === 'unreadable') throw new Error(read.message);
      const { command, identity, correlationId } = read;
      const at = { topic: COMMANDS_TOPIC, partition: 1, offset: 99, time: TIME };
      const events = [{ type: 'OutOfStock', orderid: 'o', sku: 'S', qty: 1, version: 1 }] as const;
      const answer = { ...at, identity, correlationId, traceparent: null, command, events };
      return encodeAnswer(answer)[0]?.headers;
    };
    expect(headersOf(redriveRecord(letter))).toMatchObject({
      ce_id: 'allocation.commands/1/99',
      ce_causationid: 'cmd-1',
      ce_correlationid: 'session',
    });
    const edited = replacementRecord(letter, '{"type":"DeallocateOrder","orderid":"o"}');
    expect(headersOf(edited)).toMatchObject({
      ce_causationid: expect.stringMatching(/^cmd-1\/edited-1-[0-9a-f]{8}$/),
      ce_correlationid: 'session',
    });
  });

  it('names the limits of the code', () => {
    const events = (2 * MAX_LINES_LET_GO + 1).toLocaleString('en');
    for (const limit of [MAX_COMPOSITE_BYTES, MAX_LINES_LET_GO].map((n) => n.toLocaleString('en')))
      expect(section).toContain(limit);
    expect(section).toContain(`up to ${events}`);
    expect(page).toContain(`${MAX_COMMAND_BYTES.toLocaleString('en')} bytes`);
  });
});
