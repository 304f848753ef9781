import type { AssignedPartition, GroupConsumer } from '../service-layer/unit-of-work.ts';
import { AnswerReader } from './answered-offsets.ts';
import { Lane } from './lane.ts';
import { PublishedOffsets } from './published-offsets.ts';
import type { LaneContext } from './take-over.ts';

/** Step 1 of a message's way: joins the consumer group and opens a lane for each partition that it is given. */
export class CommandConsumer {
  readonly #context: LaneContext;
  readonly #topic: string;
  readonly #lanes = new Map<number, { readonly lane: Lane; readonly closed: Promise<void> }>();
  #subscription: GroupConsumer | null = null;

  constructor(topic: string, context: Omit<LaneContext, 'published' | 'answered'>) {
    this.#topic = topic;
    const { broker, group, answering, log } = context;
    this.#context = { ...context, published: new PublishedOffsets(broker, group), answered: new AnswerReader(broker, answering, log) };
  }

  /** Resolves when the group is joined. Lanes open, and recover from any trouble, by themselves. */
  async start(): Promise<void> {
    this.#subscription = await this.#context.broker.consume({
      topic: this.#topic,
      group: this.#context.group,
      assigned: (partition) => this.#assign(partition),
    });
  }

  /** How many of this process's lanes work. */
  lanes(): { readonly working: number; readonly assigned: number } {
    const working = [...this.#lanes.values()].filter(({ lane }) => lane.problem === null).length;
    return { working, assigned: this.#lanes.size };
  }

  /** What keeps it from answering commands, one sentence each; empty: everything works. */
  problems(): readonly string[] {
    if (!this.#subscription) return ['The consumer has not joined its group yet'];
    return [...this.#lanes].flatMap(([partition, { lane }]) =>
      lane.problem === null ? [] : [`Lane ${this.#topic}/${partition}: ${lane.problem}`],
    );
  }

  /** Finishes the transactions in hand, publishes what they wrote, leaves the group. */
  async close(): Promise<void> {
    await this.#subscription?.close();
  }

  #assign(assigned: AssignedPartition) {
    const former = this.#lanes.get(assigned.partition);
    const lane = new Lane(assigned, former?.closed ?? Promise.resolve(), this.#context);
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    this.#lanes.set(assigned.partition, { lane, closed });
    return {
      handle: lane.handle.bind(lane),
      close: async () => {
        await lane.close();
        resolve();
        if (this.#lanes.get(assigned.partition)?.lane === lane) this.#lanes.delete(assigned.partition);
      },
    };
  }
}
