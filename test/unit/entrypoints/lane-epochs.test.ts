import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { AnswerContext, DeliveryPart } from '../../../src/entrypoints/answer-context.ts';
import { answerDelivery } from '../../../src/entrypoints/answer-delivery.ts';
import { Lane } from '../../../src/entrypoints/lane.ts';
import type { LaneContext } from '../../../src/entrypoints/lane-context.ts';
import { ByteBudget } from '../../../src/entrypoints/memory-budget.ts';
import { ProductTurns } from '../../../src/entrypoints/product-turns.ts';
import { readRecords } from '../../../src/entrypoints/read-delivery.ts';
import type { KnownLog } from '../../../src/service-layer/consumer-group.ts';
import type { LaneTransaction } from '../../../src/service-layer/lane-store.ts';
import type { ReceivedRecord } from '../../../src/service-layer/records.ts';
import { eventually } from '../../support/eventually.ts';

const lane = { topic: 'commands', partition: 0 };

/** Opens a lane at position 5, in a partition from `beginning` to 10. @returns where it resumes */
async function resumePoint(leaderEpoch: number | undefined, beginning: number) {
  const resumed: (readonly [number, KnownLog | undefined])[] = [];
  const context = {
    group: 'group',
    log: pino({ level: 'silent' }),
    answerContext: { deadLettersTopic: 'dead-letters', eventsTopic: 'events' },
    published: { note() {}, cover: async () => true, covers: () => true },
    earlier: { note() {}, look() {} },
    relayBudget: new ByteBudget(1_000_000),
    productTurns: new ProductTurns(),
    broker: {
      openProducer: async () => ({
        publish: async () => {},
        close: async () => {},
        settle: async () => {},
      }),
      logId: async () => 'log',
      committedOffsets: async () => [5],
      offsetRanges: async () => [{ partition: 0, beginning, end: 10 }],
      endOfEpoch: async (_topic: string, _partition: number, epoch: number) => ({
        leaderEpoch: epoch,
        offset: 5,
      }),
      maxMessageBytes: async () => 1_000,
    },
    store: {
      bind: async () => ({ logId: 'log', formerGroup: null }),
      readPosition: async () => ({
        nextOffset: 5,
        nextSequence: 1,
        group: 'group',
        ...(leaderEpoch !== undefined && { leaderEpoch }),
      }),
      readPositions: async () => new Map([[0, 5]]),
      deleteOutbox: async () => {},
    },
  } as unknown as LaneContext;
  const assigned = {
    ...lane,
    membership: () => null,
    giveBack: () => {},
    pause: () => {},
    resumeFrom: (offset: number, known?: KnownLog) => void resumed.push([offset, known]),
  };
  const opened = new Lane(assigned, Promise.resolve(), context);
  await eventually(() => expect(resumed).toHaveLength(1));
  await opened.close();
  return resumed[0];
}

describe('a lane that opens', () => {
  it.each<readonly [string, number | undefined, number, readonly [number, number | undefined]]>([
    ['with the epoch of what it has read', 3, 0, [5, 3]],
    ['with epoch 0', 0, 0, [5, 0]],
    ['with its epoch where the partition begins at the position', 3, 5, [5, 3]],
    ['without an epoch where retention has deleted the next offset', 3, 6, [6, undefined]],
    ['without an epoch where none is known', undefined, 0, [5, undefined]],
  ])('resumes in the log it is bound to, %s', async (_, epoch, beginning, expected) => {
    const [offset, leaderEpoch] = expected;
    expect(await resumePoint(epoch, beginning)).toEqual([offset, { logId: 'log', leaderEpoch }]);
  });
});

/** Answers unreadable records of these leader epochs. @returns the lane's next position */
async function positionAfter(epochs: readonly (number | undefined)[], known?: number) {
  const transaction = {
    claim: async () => new Set(),
    readParked: async () => ({ commands: [], lastPosition: 0, notRedriven: 0 }),
    prepare: async () => {},
    flush: async () => {},
    writers: () => [],
  } as unknown as LaneTransaction;
  const records = epochs.map(
    (leaderEpoch, index): ReceivedRecord => ({
      ...lane,
      offset: 5 + index,
      timestampMs: 0,
      key: null,
      value: null,
      headers: {},
      ...(leaderEpoch !== undefined && { leaderEpoch }),
    }),
  );
  const answerContext = {
    eventsTopic: 'events',
    deadLettersTopic: 'dead-letters',
    parkingLimits: { ofProduct: 1, inAll: 1_000 },
    strictCommands: false,
    clock: () => new Date(0),
  };
  const batch: DeliveryPart = {
    lane,
    records: await readRecords(records, false),
    position: {
      nextOffset: 5,
      nextSequence: 1,
      ...(known !== undefined && { leaderEpoch: known }),
    },
    publishedBelowOffset: 5,
    deadLetterMaxBytes: 1_000,
    eventMaxBytes: 1_000,
    failure: null,
    settledBelowOffset: 0,
    maxAnswerBytes: 1_000_000,
  };
  return (await answerDelivery(batch, transaction, answerContext as unknown as AnswerContext)).next;
}

describe('a delivery', () => {
  it.each<
    readonly [string, readonly (number | undefined)[], number | undefined, number | undefined]
  >([
    ['of one epoch', [3, 3], undefined, 3],
    ['of two epochs', [3, 4], 3, 4],
    ['of a newer epoch than the last one', [4], 3, 4],
    ['of epoch 0', [0], undefined, 0],
    ['of a log without epochs', [undefined], undefined, undefined],
  ])('%s stores the epoch of its last record', async (_, epochs, known, expected) => {
    const next = await positionAfter(epochs, known);
    expect([next.nextOffset, next.leaderEpoch]).toEqual([5 + epochs.length, expected]);
  });
});
