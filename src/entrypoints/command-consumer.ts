import { RepeatedWarnings } from '../repeated-warnings.ts';
import type {
  AssignedPartition,
  GroupConsumer,
  MemberView,
} from '../service-layer/consumer-group.ts';
import { AnswerReader } from './answered-offsets.ts';
import { refuseMisfit, refuseOlder } from './database-fit.ts';
import { DeliveryLog } from './delivery-log.ts';
import { EarlierCommands } from './earlier-commands.ts';
import { Lane } from './lane.ts';
import type { LaneContext } from './lane-context.ts';
import { committedOffsetsOf, LaneOffsets } from './lane-offsets.ts';
import { LaneRefusedError, OlderDatabaseError } from './lane-refusal.ts';
import type { ObservedLane } from './lane-watch.ts';
import { ByteBudget, MEMORY_BUDGET_BYTES } from './memory-budget.ts';
import type { RelayQueue } from './outbox-relay.ts';
import { ProductTurns } from './product-turns.ts';
import { UnknownFields } from './unknown-fields.ts';

/**
 * Joins the consumer group, and opens a lane for each partition that the group assigns to this
 * process: step 1 of a message's way.
 */
export class CommandConsumer {
  readonly #context: LaneContext;
  readonly #topic: string;
  readonly #lanes = new Map<number, { readonly lane: Lane; readonly closed: Promise<void> }>();
  /** Why this process gave partitions back, by partition, while another member has them. */
  readonly #refusals = new Map<number, string>();
  readonly #fatalError = Promise.withResolvers<Error>();
  /** Why this process stands by while another one works. */
  #standby: string | null = null;
  #joining: GroupConsumer | null = null;
  #subscription: GroupConsumer | null = null;
  #isClosing = false;

  constructor(
    topic: string,
    context: Omit<
      LaneContext,
      | 'published'
      | 'earlier'
      | 'answerReader'
      | 'relayBudget'
      | 'productTurns'
      | 'unknownFields'
      | 'deliveryLog'
      | 'reopenAll'
    > & {
      /** Counts repeated warnings. The caller closes it. */
      readonly warnings?: RepeatedWarnings;
    },
  ) {
    this.#topic = topic;
    const { broker, store, group, answerContext, log } = context;
    const { warnings = new RepeatedWarnings(log) } = context;
    this.#context = {
      ...context,
      published: new LaneOffsets(committedOffsetsOf(broker, group)),
      earlier: new EarlierCommands({ broker, store, metrics: answerContext.metrics.lanes, log }),
      answerReader: new AnswerReader(broker, answerContext, log),
      relayBudget: new ByteBudget(MEMORY_BUDGET_BYTES.relays),
      productTurns: new ProductTurns(),
      unknownFields: new UnknownFields(answerContext.metrics, warnings),
      deliveryLog: new DeliveryLog(warnings),
      reopenAll: (why, timeline) => {
        for (const { lane } of this.#lanes.values()) lane.reopen(why, timeline);
      },
    };
  }

  /**
   * Resolves when this consumer can never work again: another process took its name in the group.
   */
  get fatalError(): Promise<Error> {
    return this.#fatalError.promise;
  }

  /** Joins the group. Lanes then open, and recover from any trouble, by themselves. */
  async start(): Promise<void> {
    const metrics = this.#context.answerContext.metrics.lanes;
    this.#subscription = await this.#context.broker.consume({
      topic: this.#topic,
      group: this.#context.group,
      onJoining: (consumer) => {
        this.#joining = consumer;
      },
      openOwner: (partition) => this.#assign(partition),
      mayTake: (partition) => this.#mayTake(partition),
      onRebalance: () => metrics.countRebalance(),
      onFenced: (reason) => {
        metrics.countFencing();
        this.#fatalError.resolve(reason);
      },
      onStandBy: (why) => this.#standBy(why),
      maxFetchedBytes: MEMORY_BUDGET_BYTES.fetched,
    });
  }

  /** Counts the lanes of this process, and those that work. */
  lanes(): { readonly working: number; readonly assigned: number } {
    const working = [...this.#lanes.values()].filter(({ lane }) => lane.problem === null).length;
    return { working, assigned: this.#lanes.size };
  }

  /** The lanes of this process, as the watchdog and people see them. */
  watchedLanes(): readonly ObservedLane[] {
    return [...this.#lanes.values()].map(({ lane }) => lane);
  }

  /** The queue of unpublished answers, for each lane that has ever worked. */
  relayQueues(): readonly (RelayQueue & { readonly partition: number })[] {
    return [...this.#lanes.values()].flatMap(({ lane: { partition, queue } }) =>
      queue ? [{ partition, queuedRecords: queue.queuedRecords, oldestMs: queue.oldestMs }] : [],
    );
  }

  /** How many partitions this process gave back because the database does not fit. */
  get givenBackPartitions(): number {
    return this.#refusals.size;
  }

  /** Asks for the members of the group. Null: the log knows none, or the group is not joined. */
  async members(): Promise<readonly MemberView[] | null> {
    return (await this.#subscription?.members?.()) ?? null;
  }

  /** The partitions that each lane waits for at the moment. */
  awaitedPartitions(): readonly (readonly number[])[] {
    return [...this.#lanes.values()].map(({ lane }) => lane.awaited?.partitions ?? []);
  }

  /**
   * Says what keeps the consumer from answering commands, one sentence each. Empty: all lanes work.
   */
  problems(): readonly string[] {
    if (!this.#subscription)
      return [this.#joining?.problem() ?? 'The consumer has not joined its group yet'];
    const membership = this.#subscription.problem();
    return [
      ...(membership === null ? [] : [membership]),
      ...[...this.#lanes].flatMap(([partition, { lane }]) =>
        lane.problem === null ? [] : [`Partition ${partition} stopped: ${lane.problem}`],
      ),
      ...[...this.#refusals].map(
        ([partition, reason]) => `Partition ${partition} was given back: ${reason}`,
      ),
    ];
  }

  /** Says that this process stands by, and why. Null: it has its share of the work. */
  get standby(): string | null {
    return this.#standby;
  }

  #standBy(why: string | null): void {
    const { log } = this.#context;
    if (why === null) log.info('This process works now: it has taken all partitions over');
    this.#standby = why === null ? null : `Standing by: ${why}`;
    if (this.#standby !== null) log.info(this.#standby);
  }

  /**
   * Makes all lanes open anew if the database has become older than the topics. They then refuse.
   *
   * @throws {TroubleError} the log or the database does not answer
   */
  async checkDatabaseAge(): Promise<void> {
    if (this.lanes().working === 0) return;
    const { broker, group, reopenAll } = this.#context;
    const committed = await broker.committedOffsets(group, this.#topic);
    const known = committed.map((offset) => offset ?? 0);
    try {
      await refuseOlder(this.#topic, known, this.#context);
    } catch (error) {
      if (!(error instanceof OlderDatabaseError)) throw error;
      reopenAll(error.message);
    }
  }

  /** Finishes the transactions in hand, publishes their answers, and leaves the group. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#subscription?.close();
  }

  #assign(assigned: AssignedPartition) {
    const former = this.#lanes.get(assigned.partition);
    const lane = new Lane(assigned, former?.closed ?? Promise.resolve(), this.#context);
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    this.#lanes.set(assigned.partition, { lane, closed });
    this.#refusals.delete(assigned.partition);
    return {
      handle: lane.handle.bind(lane),
      close: async () => {
        await lane.close();
        if (this.#isClosing) await lane.settle();
        resolve();
        if (this.#lanes.get(assigned.partition)?.lane !== lane) return;
        this.#lanes.delete(assigned.partition);
        if (lane.refusal !== null) this.#refusals.set(assigned.partition, lane.refusal);
      },
    };
  }

  /** Checks whether the database fits now, as a lane of the partition would. */
  async #mayTake(partition: number): Promise<boolean> {
    try {
      await refuseMisfit({ topic: this.#topic, partition }, this.#context);
    } catch (error) {
      // The partition may be here again by now. Its lane then reports its own refusal.
      if (error instanceof LaneRefusedError && !this.#lanes.has(partition))
        this.#refusals.set(partition, error.message);
      if (error instanceof OlderDatabaseError) this.#context.onOlder?.(error);
      return false;
    }
    this.#refusals.delete(partition);
    return true;
  }
}
