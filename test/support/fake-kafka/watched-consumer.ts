import { KafkaConsumer } from '../../../src/adapters/broker/kafka/consumer/consumer.ts';
import { decodeSubscription } from '../../../src/adapters/broker/kafka/consumer/subscription.ts';
import type {
  AssignedPartition,
  PartitionOwner,
} from '../../../src/service-layer/consumer-group.ts';
import type { ReceivedRecord } from '../../../src/service-layer/records.ts';
import { type Edge, GROUP } from './edge.ts';

const TOPIC = 'commands';

/** An owner that begins at 0, and notes what happens to it. */
class Owner implements PartitionOwner {
  readonly assigned: AssignedPartition;
  readonly received: string[] = [];
  readonly #consuming: WatchedConsumer;
  isClosing = false;

  constructor(assigned: AssignedPartition, consuming: WatchedConsumer) {
    this.assigned = assigned;
    this.#consuming = consuming;
    if (consuming.isResuming) assigned.resumeFrom(0);
  }

  async handle(records: readonly ReceivedRecord[]): Promise<void> {
    this.received.push(...records.map(({ value }) => String(value)));
  }

  async close(): Promise<void> {
    this.isClosing = true;
    await this.#consuming.mayClose;
    this.#consuming.closed.push(this.assigned.partition);
  }
}

/** A consumer of `commands`, and the owners that it has made. */
export class WatchedConsumer {
  readonly consumer: KafkaConsumer;
  readonly owners: Owner[] = [];
  /** The partitions whose owners have been closed, in order. */
  readonly closed: number[] = [];
  /** Why it can never work again. */
  readonly fenced: string[] = [];
  /** What its owners have to finish before they are closed. */
  mayClose: Promise<unknown> = Promise.resolve();
  mayTake = false;
  isResuming = true;
  hasJoined = false;
  readonly #edge: Edge;

  constructor(edge: Edge) {
    this.#edge = edge;
    const openOwner = (partition: AssignedPartition) => {
      const owner = new Owner(partition, this);
      this.owners.push(owner);
      return owner;
    };
    const onFenced = ({ message }: Error) => void this.fenced.push(message);
    const options = {
      topic: TOPIC,
      group: GROUP,
      openOwner,
      mayTake: async () => this.mayTake,
      onFenced,
    };
    this.consumer = new KafkaConsumer(edge.options, edge.view, options, () =>
      edge.view.logId(TOPIC),
    );
    this.consumer.firstJoin.then(
      () => {
        this.hasJoined = true;
      },
      () => {},
    );
  }

  /** Its owners that are not closing, by partition. */
  get open(): readonly Owner[] {
    const open = this.owners.filter(({ isClosing }) => !isClosing);
    return open.sort((one, other) => one.assigned.partition - other.assigned.partition);
  }

  get partitions(): readonly number[] {
    return this.open.map(({ assigned }) => assigned.partition);
  }

  /** What it has told the group's leader at each join, once it had a name. */
  subscriptions() {
    const memberId = this.owners[0]?.assigned.membership()?.memberId;
    const joins = this.#edge.kafka
      .requests('JoinGroup')
      .filter((join) => join.memberId === memberId);
    return joins.map(({ protocols }) => {
      const { owned, generation, givenBack } = decodeSubscription(
        TOPIC,
        protocols[0]?.metadata ?? Buffer.alloc(0),
      );
      return { owned: owned.toSorted(), generation, givenBack };
    });
  }
}
