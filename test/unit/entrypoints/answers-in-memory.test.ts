import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import type { Command } from '../../../src/domain/commands.ts';
import type { Event } from '../../../src/domain/events.ts';
import type { LaneContext } from '../../../src/entrypoints/lane-context.ts';
import { LaneWork } from '../../../src/entrypoints/lane-work.ts';
import { ByteBudget } from '../../../src/entrypoints/memory-budget.ts';
import { Metrics } from '../../../src/entrypoints/metrics/metrics.ts';
import { ProductTurns } from '../../../src/entrypoints/product-turns.ts';
import { UnansweredCommands } from '../../../src/entrypoints/unanswered-commands.ts';
import type {
  AnswerRecord,
  CommittedProgress,
  LanePosition,
  LaneProgress,
  LaneTransaction,
} from '../../../src/service-layer/lane-store.ts';
import type { Partition, ReceivedRecord } from '../../../src/service-layer/records.ts';
import { eventually } from '../../support/eventually.ts';

const MIB = 1024 * 1024;
const LINES = 500;
/** Their answers take about 850 kB each. */
const COMMANDS = 16;
const LANES = 3;
const LONG_NAME = 'n'.repeat(255);

/** Answers an order with one event for each line. */
const bus = {
  async handle(command: Command): Promise<readonly Event[]> {
    const { orderid, lines } = command as Extract<Command, { type: 'AllocateOrder' }>;
    return lines.map(({ sku, qty }, index) => {
      return { type: 'Allocated', orderid, sku, qty, batchref: LONG_NAME, version: index + 1 };
    });
  },
};

/** A database of several lanes that keeps the outbox of each transaction. */
class KeepingStore {
  readonly transactions: (readonly AnswerRecord[])[] = [];
  /** Called before each commit. */
  beforeCommit = async (): Promise<void> => {};

  async transaction(
    _: Partition,
    __: LanePosition,
    work: (transaction: LaneTransaction) => Promise<LaneProgress>,
  ): Promise<CommittedProgress> {
    const transaction = {
      claim: async (identities: readonly string[]) => new Set(identities),
      readParked: async () => ({ commands: [], lastPosition: 0, notRedriven: 0 }),
      prepare: async () => {},
      flush: async () => {},
      writers: () => [],
    } as unknown as LaneTransaction;
    const progress = await work(transaction);
    await this.beforeCommit();
    this.transactions.push(progress.outbox);
    const outbox = progress.outbox.map((record) => {
      return { ...record, encoded: Buffer.from(String(record.value)) };
    });
    return { ...progress, outbox };
  }
}

const bytesOf = (outbox: readonly AnswerRecord[]) =>
  outbox.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);

describe('The answers of orders with many lines and long ids', () => {
  const closing = new AbortController();
  let release = () => {};

  afterEach(() => release());

  function openLane(partition: number, store: KeepingStore, budget: ByteBudget, hangs: boolean) {
    const stalled = new Promise<void>((resolve) => {
      release = resolve;
    });
    const lane = { topic: 'commands', partition };
    return new LaneWork({
      unanswered: new UnansweredCommands(),
      lane,
      opened: {
        producer: {
          publish: async () => (hangs ? stalled : undefined),
          close: async () => {},
          settle: async () => {},
        },
        position: { nextOffset: 0, nextSequence: 1 },
        logId: 'log',
        readFrom: 0,
        deadLetterMaxBytes: 2 * MIB,
        eventMaxBytes: MIB,
      },
      context: {
        group: 'group',
        store,
        published: { note() {}, cover: async () => true, covers: () => true },
        earlier: { note() {}, look() {} },
        relayBudget: budget,
        productTurns: new ProductTurns(),
        unknownFields: { note() {} },
        deliveryLog: { noteFailure() {}, noteDeadLetters() {} },
        answerContext: {
          bus,
          deadLettersTopic: 'dead-letters',
          eventsTopic: 'events',
          parkingLimits: { ofProduct: 1, inAll: 1 },
          strictCommands: false,
          clock: () => new Date(0),
          metrics: new Metrics(),
        },
      } as unknown as LaneContext,
      log: pino({ level: 'silent' }),
      closing: closing.signal,
      onCommitted: () => {},
      onTrouble: (error) => {
        throw error;
      },
    });
  }

  const delivery = (partition: number, commands: number) =>
    Array.from({ length: commands }, (_, offset): ReceivedRecord => {
      const id = `${offset}${LONG_NAME}`.slice(0, 255);
      const lines = Array.from({ length: LINES }, (_, line) => ({ sku: `s${line}`, qty: 1 }));
      const event = { specversion: '1.0', id, source: LONG_NAME, type: 'AllocateOrder' };
      const value = JSON.stringify({ ...event, data: { orderid: id, lines } });
      return {
        topic: 'commands',
        partition,
        offset,
        timestampMs: 0,
        key: null,
        value: Buffer.from(value),
        headers: { 'content-type': Buffer.from('application/cloudevents+json') },
      };
    });

  it('go out in several transactions when one would take too much memory', async () => {
    const store = new KeepingStore();
    const lane = openLane(0, store, new ByteBudget(1_000 * MIB), false);
    await lane.handle(delivery(0, COMMANDS));
    const sizes = store.transactions.map(bytesOf);
    const answered = store.transactions.flat().map(({ sourceOffset }) => sourceOffset);
    expect([...new Set(answered)]).toEqual(Array.from({ length: COMMANDS }, (_, n) => n));
    expect(Math.max(...sizes)).toBeLessThan(8 * MIB);
    expect(sizes.length).toBeLessThan(8);
  });

  it('take little more than the budget of all lanes while Kafka stalls', async () => {
    const store = new KeepingStore();
    const budget = new ByteBudget(MIB);
    budget.hold(2 * MIB);
    const lanes = Array.from({ length: LANES }, (_, partition) =>
      openLane(partition, store, budget, true),
    );
    for (const [partition, lane] of lanes.entries()) void lane.handle(delivery(partition, 4));
    await eventually(() => expect(store.transactions).toHaveLength(LANES), { withinMs: 60_000 });
    // Each lane has answered one command, and waits for room with the others.
    expect(store.transactions.map((outbox) => outbox.at(-1)?.sourceOffset)).toEqual([0, 0, 0]);
  });

  it('count before they are committed, and no longer after a failure', async () => {
    const store = new KeepingStore();
    const counted = new ByteBudget(100_000);
    const seen: boolean[] = [];
    store.beforeCommit = async () => {
      seen.push(counted.isExceeded);
      if (seen.length === 1) throw new Error('the handler met a temporary state');
      seen.push(counted.isExceeded);
    };
    const lane = openLane(0, store, counted, false);
    await lane.handle(delivery(0, 1));
    expect(seen).toEqual([true, true, true]);
    await eventually(() => expect(counted.isExceeded).toBe(false));
  });
});
