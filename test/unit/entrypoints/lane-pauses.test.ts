import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Lane } from '../../../src/entrypoints/lane.ts';
import type { LaneContext } from '../../../src/entrypoints/lane-context.ts';
import { LanePauses } from '../../../src/entrypoints/lane-pauses.ts';
import { ByteBudget } from '../../../src/entrypoints/memory-budget.ts';
import { Metrics } from '../../../src/entrypoints/metrics/metrics.ts';
import { ProductTurns } from '../../../src/entrypoints/product-turns.ts';
import { TroubleError } from '../../../src/service-layer/errors.ts';
import type {
  LanePause,
  LanePosition,
  LaneProgress,
  LaneTransaction,
} from '../../../src/service-layer/lane-store.ts';
import type { Partition, ReceivedRecord } from '../../../src/service-layer/records.ts';
import { quietAnswerContext } from '../../support/commands.ts';
import { eventually } from '../../support/eventually.ts';

const lane = { topic: 'commands', partition: 0 };
const PAUSE = { by: 'the operator', at: '2027-01-15T09:30:00.000Z', reason: 'wrong prices' };

/** The database and the broker of one lane. */
class Surroundings {
  position: LanePosition = { nextOffset: 0, nextSequence: 1, group: 'group' } as LanePosition;
  readonly pausesInDatabase = new Map<number, LanePause>();
  readonly warnings: string[] = [];
  /** The group's committed offset. */
  committed = 0;
  openings = 0;
  isResumed = false;
  isDatabaseAway = false;
  /** How many transactions fail. */
  failures = 0;
  /** A transaction commits once this promise has resolved. */
  mayCommit: Promise<void> = Promise.resolve();
  readonly pauses = new LanePauses({
    read: async () => {
      if (this.isDatabaseAway) throw new TroubleError('no database');
      return new Map(this.pausesInDatabase);
    },
    log: pino(
      { level: 'info' },
      { write: (line: string) => void this.warnings.push(JSON.parse(line).msg) },
    ),
  });

  async pause(): Promise<void> {
    this.pausesInDatabase.set(0, PAUSE);
    await this.pauses.refresh();
  }

  async resume(): Promise<void> {
    this.pausesInDatabase.delete(0);
    await this.pauses.refresh();
  }

  open(): Lane {
    const assigned = {
      ...lane,
      membership: () => null,
      giveBack() {},
      pause: () => {
        this.isResumed = false;
      },
      resumeFrom: () => {
        this.isResumed = true;
      },
    };
    return new Lane(assigned, Promise.resolve(), this.#context());
  }

  #context(): LaneContext {
    return {
      group: 'group',
      log: pino({ level: 'silent' }),
      answerContext: { ...quietAnswerContext(), metrics: new Metrics() },
      published: { note() {}, cover: async () => true, covers: () => true },
      earlier: { note() {}, look() {}, awaitedLanesOf: () => null },
      relayBudget: new ByteBudget(100_000_000),
      productTurns: new ProductTurns(),
      unknownFields: { note() {} },
      deliveryLog: { noteFailure() {}, noteDeadLetters() {} },
      pauses: this.pauses,
      broker: {
        openProducer: async () => {
          this.openings += 1;
          return {
            publish: async (_: unknown, position: { nextOffset: number }) => {
              this.committed = position.nextOffset;
            },
            close: async () => {},
            settle: async () => {},
          };
        },
        logId: async () => 'log',
        committedOffsets: async () => [this.committed],
        offsetRanges: async () => [{ partition: 0, beginning: 0, end: 100 }],
        maxMessageBytes: async () => 1_000_000,
      },
      store: {
        bind: async () => ({ logId: 'log', formerGroup: null }),
        readPosition: async () => this.position,
        readPositions: async () => new Map([[0, this.position.nextOffset]]),
        readOutbox: async () => null,
        deleteOutbox: async () => {},
        deletePublished: async () => {},
        transaction: this.#transaction.bind(this),
      },
    } as unknown as LaneContext;
  }

  async #transaction(
    _: Partition,
    __: LanePosition,
    work: (transaction: LaneTransaction) => Promise<LaneProgress>,
  ) {
    this.failures -= 1;
    if (this.failures >= 0) throw new Error('a handler has a bug');
    const progress = await work({
      claim: async (identities: readonly string[]) => new Set(identities),
      readParked: async () => ({ commands: [], lastPosition: 0, notRedriven: 0 }),
      prepare: async () => {},
      flush: async () => {},
      writers: () => [],
    } as unknown as LaneTransaction);
    await this.mayCommit;
    this.position = progress.next;
    const outbox = progress.outbox.map((record) => {
      return { ...record, encoded: Buffer.from(String(record.value)) };
    });
    return { ...progress, outbox };
  }
}

/** A message that nobody can read is answered with a dead letter, without any stock. */
const record = (offset: number): ReceivedRecord => ({
  ...lane,
  offset,
  timestampMs: offset,
  key: null,
  value: Buffer.from('{'),
  headers: {},
});

describe('a paused lane', () => {
  let around: Surroundings;
  let open: Lane;

  beforeEach(async () => {
    around = new Surroundings();
    open = around.open();
    await eventually(() => expect(around.isResumed).toBe(true));
  });
  afterEach(() => open.close());

  const answered = (nextOffset: number) =>
    eventually(() =>
      expect([around.position.nextOffset, around.committed]).toEqual([nextOffset, nextOffset]),
    );
  /** Lets everything happen that does not wait. */
  const settle = () => new Promise((resolve) => setImmediate(resolve));

  it('ends its transaction, publishes the answers, and begins no other one', async () => {
    const commit = Promise.withResolvers<void>();
    around.mayCommit = commit.promise;
    const first = open.handle([record(0)]);
    await settle();
    await around.pause();
    expect(open.pause).toEqual(PAUSE);
    commit.resolve();
    await first;
    await answered(1);
    const second = open.handle([record(1)]);
    await settle();
    await settle();
    expect([around.position.nextOffset, open.problem, open.oldestUnansweredMs]).toEqual([
      1,
      null,
      1,
    ]);
    await around.resume();
    await second;
    await answered(2);
    expect([around.openings, open.oldestUnansweredMs]).toEqual([1, null]);
  });

  it('stops between two parts of one delivery', async () => {
    const commit = Promise.withResolvers<void>();
    around.mayCommit = commit.promise;
    // The lane answers a delivery again, one record at a time, after a failure.
    around.failures = 1;
    const delivery = open.handle([record(0), record(1), record(2)]);
    await settle();
    await around.pause();
    commit.resolve();
    await answered(1);
    await settle();
    expect(around.position.nextOffset).toBe(1);
    await around.resume();
    await delivery;
    await answered(3);
  });

  it('closes at once', async () => {
    await around.pause();
    const delivery = open.handle([record(0)]);
    await settle();
    await open.close();
    await delivery;
    expect(around.position.nextOffset).toBe(0);
  });

  it('opens anew after trouble, and stays paused', async () => {
    await around.pause();
    const delivery = open.handle([record(0)]);
    await settle();
    open.reopen('another lane found something');
    await delivery;
    await eventually(() => expect([around.openings, around.isResumed]).toEqual([2, true]));
    expect(open.lastReopening).toMatchObject({ cause: 'other-lane' });
    const again = open.handle([record(0)]);
    await settle();
    expect(around.position.nextOffset).toBe(0);
    await around.resume();
    await again;
    await answered(1);
  });
});

it('a lane that opens knows of its pause before its first delivery', async () => {
  const around = new Surroundings();
  around.pausesInDatabase.set(0, PAUSE);
  const open = around.open();
  await eventually(() => expect(around.isResumed).toBe(true));
  expect(open.pause).toEqual(PAUSE);
  await open.close();
});

describe('the pauses of a process', () => {
  let around: Surroundings;

  beforeEach(() => {
    // A lane of an earlier test may still set a timer of another kind.
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    around = new Surroundings();
    around.pauses.start();
  });
  afterEach(() => {
    around.pauses.close();
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  it('are read once a second, and each change is logged once', async () => {
    around.pausesInDatabase.set(0, PAUSE);
    await vi.advanceTimersByTimeAsync(1_000);
    expect([around.pauses.of(0), around.pauses.of(1)]).toEqual([PAUSE, null]);
    await vi.advanceTimersByTimeAsync(5_000);
    around.pausesInDatabase.delete(0);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(around.pauses.of(0)).toBeNull();
    expect(around.warnings).toEqual([
      'Partition 0 is paused by the operator since 2027-01-15T09:30:00.000Z (wrong prices). ' +
        'To go on: npx allocation lanes resume 0',
      'Partition 0 is resumed',
    ]);
  });

  it('stay as they are known while the database is away', async () => {
    await around.pause();
    around.isDatabaseAway = true;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(around.pauses.of(0)).toEqual(PAUSE);
    await expect(around.pauses.refresh()).rejects.toThrow(TroubleError);
  });
});

it('keeps the newer of two answers that overtake each other', async () => {
  const older = Promise.withResolvers<Map<number, LanePause>>();
  const answers = [older.promise, Promise.resolve(new Map([[0, PAUSE]]))];
  const read = () => answers.shift() ?? Promise.resolve(new Map());
  const pauses = new LanePauses({ read, log: pino({ level: 'silent' }) });
  const slow = pauses.refresh();
  await pauses.refresh();
  older.resolve(new Map());
  await slow;
  expect(pauses.of(0)).toEqual(PAUSE);
});
