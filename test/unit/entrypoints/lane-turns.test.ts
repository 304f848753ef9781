import { pino } from 'pino';
import { expect, it } from 'vitest';
import type { Command } from '../../../src/domain/commands.ts';
import type { Event } from '../../../src/domain/events.ts';
import type { Head } from '../../../src/entrypoints/known-lanes.ts';
import { Lane } from '../../../src/entrypoints/lane.ts';
import type { LaneContext } from '../../../src/entrypoints/lane-context.ts';
import { ByteBudget } from '../../../src/entrypoints/memory-budget.ts';
import { Metrics } from '../../../src/entrypoints/metrics/metrics.ts';
import { ProductTurns } from '../../../src/entrypoints/product-turns.ts';
import type {
  LanePosition,
  LaneProgress,
  LaneTransaction,
} from '../../../src/service-layer/lane-store.ts';
import type { Partition, ReceivedRecord } from '../../../src/service-layer/records.ts';
import { eventually } from '../../support/eventually.ts';

const COMMANDS = 1_000;
const BETWEEN_UNKNOWN = 20;
const lane = { topic: 'commands', partition: 0 };

/** The other lane never reaches the end, so that each wait serves only one command. */
class TakingTurns {
  readonly ends = [{ topic: 'commands', partition: 1, nextOffset: 10 }];
  asked = 0;
  waits = 0;

  note() {}
  look() {}
  awaitedLanesOf = () => null;
  unreachedEnds = (ends: readonly object[]) => ends;

  async undecidedEnds() {
    this.asked += 1;
    return this.ends;
  }

  async wait({ nextTimestampMs }: Head) {
    this.waits += 1;
    return nextTimestampMs + 1;
  }
}

/** A database with one lane. It counts the commands that transactions claim, aborted ones too. */
class CountingStore {
  position: LanePosition = { nextOffset: 0, nextSequence: 1, group: 'group' } as LanePosition;
  claimed = 0;

  bind = async () => ({ logId: 'log', formerGroup: null });
  readPosition = async () => this.position;
  readPositions = async () => new Map([[0, this.position.nextOffset]]);
  deleteOutbox = async () => {};
  deletePublished = async () => {};

  async transaction(
    _: Partition,
    __: LanePosition,
    work: (transaction: LaneTransaction) => Promise<LaneProgress>,
  ) {
    const transaction = {
      claim: async (identities: readonly string[]) => {
        this.claimed += identities.length;
        return new Set(identities);
      },
      readParked: async () => ({ commands: [], lastPosition: 0, notRedriven: 0 }),
      prepare: async () => {},
      flush: async () => {},
      writers: () => [],
    } as unknown as LaneTransaction;
    const progress = await work(transaction);
    this.position = progress.next;
    const outbox = progress.outbox.map((record) => {
      return { ...record, encoded: Buffer.from(String(record.value)) };
    });
    return { ...progress, outbox };
  }
}

const bus = {
  handle: async (command: Command): Promise<readonly Event[]> => {
    const { orderid } = command as { orderid: string };
    if (!orderid.startsWith('unknown')) return [];
    return [
      {
        type: 'CommandRejected',
        reason: 'unknown-sku',
        command: 'AllocateOrder',
        orderid,
        detail: 'd',
      } as unknown as Event,
    ];
  },
};

it('a lane that takes turns claims few commands in vain, and reads the ends once', async () => {
  const earlier = new TakingTurns();
  const store = new CountingStore();
  let resumed = false;
  const context = {
    group: 'group',
    log: pino({ level: 'silent' }),
    answerContext: {
      bus,
      deadLettersTopic: 'dead-letters',
      eventsTopic: 'events',
      parkingLimits: { ofProduct: 1, inAll: 1 },
      strictCommands: false,
      clock: () => new Date(0),
      metrics: new Metrics(),
    },
    published: { note() {}, cover: async () => true, covers: () => true },
    earlier,
    relayBudget: new ByteBudget(100_000_000),
    productTurns: new ProductTurns(),
    unknownFields: { note() {} },
    broker: {
      openProducer: async () => ({
        publish: async () => {},
        close: async () => {},
        settle: async () => {},
      }),
      logId: async () => 'log',
      committedOffsets: async () => [0],
      offsetRanges: async () => [{ partition: 0, beginning: 0, end: COMMANDS }],
      maxMessageBytes: async () => 1_000_000,
    },
    store,
  } as unknown as LaneContext;
  const assigned = {
    ...lane,
    membership: () => null,
    giveBack() {},
    pause() {},
    resumeFrom() {
      resumed = true;
    },
  };
  const opened = new Lane(assigned, Promise.resolve(), context);
  await eventually(() => expect(resumed).toBe(true));
  const records = Array.from({ length: COMMANDS }, (_, offset): ReceivedRecord => {
    const orderid = `${offset % BETWEEN_UNKNOWN === 0 ? 'unknown' : 'known'}-${offset}`;
    const value = Buffer.from(
      JSON.stringify({ type: 'AllocateOrder', id: orderid, orderid, sku: 'LAMP', qty: 1 }),
    );
    return { ...lane, offset, timestampMs: offset, key: null, value, headers: {} };
  });
  await opened.handle(records);
  await eventually(() => expect(store.position.nextOffset).toBe(COMMANDS));
  await opened.close();
  expect(earlier).toMatchObject({ asked: 1, waits: COMMANDS / BETWEEN_UNKNOWN });
  expect(store.claimed).toBeLessThan(8 * COMMANDS);
});
