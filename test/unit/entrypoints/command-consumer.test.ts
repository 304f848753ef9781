import pino from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import type { AnswerContext } from '../../../src/entrypoints/answer-context.ts';
import { CommandConsumer } from '../../../src/entrypoints/command-consumer.ts';
import { Metrics } from '../../../src/entrypoints/metrics/metrics.ts';
import type { Broker, TransactionalProducer } from '../../../src/service-layer/broker.ts';
import type {
  AssignedPartition,
  ConsumeOptions,
  PartitionOwner,
} from '../../../src/service-layer/consumer-group.ts';
import { TroubleError } from '../../../src/service-layer/errors.ts';
import type { LaneStore } from '../../../src/service-layer/lane-store.ts';
import { eventually } from '../../support/eventually.ts';

const topic = 'commands';

/** A consumer, and its group with two partitions. The test plays the group. */
class FakeGroup {
  /** The position of each partition in the database. */
  positions = [5, 5];
  /** The offset of each partition that the group has committed. */
  committed = [5, 5];
  membershipProblem: string | null = null;
  join = Promise.resolve();
  isDatabaseAway = false;
  /** What the database waits for before it answers. */
  databaseAnswers: Promise<void> = Promise.resolve();
  given: number[] = [];
  resumed: number[] = [];
  producers = 0;
  settled = 0;
  tries = 0;
  options: ConsumeOptions | null = null;
  readonly consumer: CommandConsumer;

  constructor() {
    const broker: Partial<Broker> = {
      consume: async (options) => {
        this.options = options;
        options.onJoining?.({ problem: () => this.membershipProblem, close: async () => {} });
        await this.join;
        return { problem: () => this.membershipProblem, close: async () => {} };
      },
      openProducer: async () => {
        this.producers += 1;
        return {
          publish: async () => {},
          close: async () => {},
          settle: async () => {
            this.settled += 1;
          },
        } satisfies TransactionalProducer;
      },
      logId: async () => 'log',
      committedOffsets: async () => this.committed,
      offsetRanges: async () => [0, 1].map((partition) => ({ partition, beginning: 0, end: 10 })),
      maxMessageBytes: async () => 1_000_000,
    };
    const store: Partial<LaneStore> = {
      bind: async (_lane, logId) => {
        this.tries += 1;
        await this.databaseAnswers;
        if (this.isDatabaseAway) throw new TroubleError('the database is away');
        return { logId, formerGroup: null };
      },
      readPosition: async ({ partition }) => ({
        nextOffset: this.positions[partition] ?? 0,
        nextSequence: 1,
        group: 'group',
      }),
      readPositions: async () => new Map(this.positions.entries()),
      readOutbox: async () => null,
      deleteOutbox: async () => {},
    };
    this.consumer = new CommandConsumer(topic, {
      broker: broker as Broker,
      store: store as LaneStore,
      group: 'group',
      answerContext: { deadLettersTopic: 'dead-letters', metrics: new Metrics() } as AnswerContext,
      recoveryAdvice: async () => 'ask an operator',
      log: pino({ level: 'silent' }),
    });
  }

  assign(partition: number): PartitionOwner {
    const assigned: AssignedPartition = {
      topic,
      partition,
      membership: () => null,
      giveBack: () => void this.given.push(partition),
      pause: () => {},
      resumeFrom: () => void this.resumed.push(partition),
    };
    if (!this.options) throw new Error('The consumer has not joined');
    return this.options.openOwner(assigned);
  }

  mayTake(partition: number): Promise<boolean> | undefined {
    return this.options?.mayTake?.(partition);
  }

  /** Waits until lanes have looked at the database `times` more times. */
  async lookAgain(times: number): Promise<void> {
    const before = this.tries;
    await eventually(() => expect(this.tries).toBeGreaterThanOrEqual(before + times));
  }
}

describe('A consumer whose database does not fit', () => {
  let group: FakeGroup;

  beforeEach(async () => {
    group = new FakeGroup();
    await group.consumer.start();
    group.positions = [5, 3];
  });

  const older = expect.stringContaining('the database is older than the topics');

  it('gives a partition back once, however often its lane looks again', async () => {
    const owner = group.assign(1);
    await group.lookAgain(4);
    await owner.close();
    expect(group.given).toEqual([1]);
  });

  it('gives a partition back once, even if the database is away in between', async () => {
    const owner = group.assign(1);
    await eventually(() => expect(group.given).toEqual([1]));
    group.isDatabaseAway = true;
    await eventually(() =>
      expect(group.consumer.problems()).toEqual(['Partition 1 stopped: the database is away']),
    );
    group.isDatabaseAway = false;
    await eventually(() => expect(group.consumer.problems()).toEqual([older]));
    await owner.close();
    expect(group.given).toEqual([1]);
  });

  it('gives a partition back again if its lane has worked in between', async () => {
    const first = group.assign(1);
    await eventually(() => expect(group.given).toEqual([1]));
    group.positions = [5, 5];
    await eventually(() => expect([group.resumed, group.consumer.problems()]).toEqual([[1], []]));
    await first.close();
    expect(group.consumer.problems()).toEqual([]);
    group.positions = [5, 3];
    const second = group.assign(1);
    await eventually(() => expect(group.given).toEqual([1, 1]));
    await second.close();
  });

  it('keeps the reason after the group has moved the partition', async () => {
    const owner = group.assign(1);
    await eventually(() => expect(group.given).toEqual([1]));
    await owner.close();
    expect(group.consumer.problems()).toEqual([
      expect.stringMatching(/^Partition 1 was given back: The database stands at offset 3 /),
    ]);
    expect(group.consumer.lanes()).toEqual({ working: 0, assigned: 0 });
  });

  it('takes no partition while the database does not fit, and updates the reason', async () => {
    const owner = group.assign(1);
    await eventually(() => expect(group.given).toEqual([1]));
    await owner.close();
    const { producers } = group;
    group.positions = [5, 4];
    expect(await group.mayTake(1)).toBe(false);
    expect(group.consumer.problems()).toEqual([expect.stringContaining('stands at offset 4')]);
    expect(group.producers).toBe(producers);
  });

  it('takes no partition while the database cannot be reached', async () => {
    const owner = group.assign(1);
    await eventually(() => expect(group.given).toEqual([1]));
    await owner.close();
    group.isDatabaseAway = true;
    expect(await group.mayTake(1)).toBe(false);
    expect(group.consumer.problems()).toEqual([older]);
  });

  it('takes the partition again once the database fits, and forgets the reason', async () => {
    const owner = group.assign(1);
    await eventually(() => expect(group.given).toEqual([1]));
    await owner.close();
    group.positions = [5, 5];
    expect(await group.mayTake(1)).toBe(true);
    expect(group.consumer.problems()).toEqual([]);
  });

  it('names a partition once if the group assigns it here again', async () => {
    const former = group.assign(1);
    await eventually(() => expect(group.given).toEqual([1]));
    await former.close();
    const owner = group.assign(1);
    await eventually(() =>
      expect(group.consumer.problems()).toEqual([
        expect.stringMatching(/^Partition 1 stopped: The database stands/),
      ]),
    );
    expect(await group.mayTake(1)).toBe(false);
    expect(group.consumer.problems()).toHaveLength(1);
    await owner.close();
  });

  it('refuses with a lane at work once another process has published beyond it', async () => {
    group.positions = [5, 5];
    const owner = group.assign(1);
    await eventually(() => expect(group.resumed).toEqual([1]));
    await group.consumer.checkDatabaseAge();
    expect(group.consumer.problems()).toEqual([]);
    group.committed = [6, 5];
    await group.consumer.checkDatabaseAge();
    await eventually(() => expect(group.given).toEqual([1]));
    expect(group.consumer.problems()).toEqual([older]);
    await owner.close();
  });

  it('asks nothing about its age while no lane works', async () => {
    group.committed = [9, 9];
    await group.consumer.checkDatabaseAge();
    expect(group.consumer.problems()).toEqual([]);
  });

  it('settles nothing for a partition that went to another member', async () => {
    await group.assign(0).close();
    expect(group.settled).toBe(0);
  });

  it('opens no lane before the former lane of the partition is closed', async () => {
    const { promise, resolve: answer } = Promise.withResolvers<void>();
    group.positions = [5, 5];
    group.databaseAnswers = promise;
    const former = group.assign(1);
    await eventually(() => expect(group.tries).toBe(1));
    const closing = former.close();
    const owner = group.assign(1);
    await new Promise((resolve) => setImmediate(resolve));
    expect([group.producers, group.consumer.lanes()]).toEqual([1, { working: 0, assigned: 1 }]);
    answer();
    await closing;
    await eventually(() => expect(group.consumer.lanes()).toEqual({ working: 1, assigned: 1 }));
    expect(group.resumed).toEqual([1]);
    await owner.close();
  });

  it('keeps a partition if the database cannot be reached', async () => {
    group.positions = [5, 5];
    group.isDatabaseAway = true;
    const owner = group.assign(1);
    await group.lookAgain(3);
    await owner.close();
    expect([group.given, group.consumer.problems()]).toEqual([[], []]);
  });
});

describe('A consumer', () => {
  it('says why it has not joined its group, even before its first join', async () => {
    const group = new FakeGroup();
    const { promise, resolve } = Promise.withResolvers<void>();
    group.join = promise;
    const starting = group.consumer.start();
    expect(group.consumer.problems()).toEqual(['The consumer has not joined its group yet']);
    group.membershipProblem = 'the coordinator is silent';
    expect(group.consumer.problems()).toEqual(['the coordinator is silent']);
    resolve();
    await starting;
    expect(group.consumer.problems()).toEqual(['the coordinator is silent']);
  });

  it('dies once another process has its name in the group', async () => {
    const group = new FakeGroup();
    await group.consumer.start();
    const fenced = new Error('another process has its name');
    group.options?.onFenced?.(fenced);
    expect(await group.consumer.fatalError).toBe(fenced);
  });

  it('has the problem of its membership, and none if it just has no partitions', async () => {
    const group = new FakeGroup();
    expect(group.consumer.problems()).toEqual(['The consumer has not joined its group yet']);
    await group.consumer.start();
    expect(group.consumer.problems()).toEqual([]);
    group.membershipProblem = 'It waits for its assignment since 40 s';
    expect(group.consumer.problems()).toEqual(['It waits for its assignment since 40 s']);
  });
});
