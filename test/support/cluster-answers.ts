import type { PartitionView, View } from './cluster-view.ts';
import type { CommandFlow } from './command-flow.ts';
import { eventually } from './eventually.ts';
import type { KafkaCluster } from './kafka-java/cluster.ts';

/**
 * How long Kafka may take, on a busy machine, until it has elected leaders, or has all replicas in
 * sync.
 */
const KAFKA_MS = 180_000;
/**
 * How often the brokers are asked. One look is up to twelve requests, each over a new connection.
 * Fifty looks a second kept three brokers so busy that the service answered seconds later.
 */
const LOOK_MS = 200;

/**
 * Knows what has been answered on a cluster that may miss some of its brokers. It asks only brokers
 * that are well, each with a short deadline. Otherwise a test would measure the recovery of a
 * client.
 */
export class ClusterAnswers {
  readonly #cluster: KafkaCluster;
  readonly #flow: CommandFlow;

  constructor(cluster: KafkaCluster, flow: CommandFlow) {
    this.#cluster = cluster;
    this.#flow = flow;
  }

  /** Returns where each partition of the commands ends now. @throws when no broker can tell now */
  async ends(): Promise<readonly number[]> {
    return await this.#endsOf(this.#flow.topics.commands, 'everything');
  }

  /**
   * Counts the commands before these ends that the group has not passed.
   * @throws when no broker can tell now
   */
  async waiting(ends: readonly number[]): Promise<number> {
    const committed = await this.committed();
    return ends.reduce(
      (sum, end, partition) => sum + Math.max(0, end - (committed[partition] ?? 0)),
      0,
    );
  }

  /**
   * Returns the committed offset of the group in each partition.
   * @throws when no broker can tell now
   */
  async committed(): Promise<readonly (number | null)[]> {
    const { view, whole } = this.#cluster;
    const { group, topics, partitions } = this.#flow;
    const coordinator = await Promise.any(whole.map((broker) => view.coordinator(broker, group)));
    if (!whole.includes(coordinator))
      throw new Error(`The group's coordinator is broker ${coordinator}, which is away`);
    return await view.committed(coordinator, group, topics.commands, partitions);
  }

  /**
   * Waits until every command before these ends is answered: the group has passed it, and a
   * `read_committed` reader sees all events that were written before.
   * @throws when commands still wait after `withinMs`
   */
  async awaitAnswers(ends: readonly number[], withinMs: number): Promise<void> {
    const { events } = this.#flow.topics;
    const giveUpAtMs = performance.now() + withinMs;
    const look = <T>(check: () => Promise<T>) =>
      eventually(check, { withinMs: giveUpAtMs - performance.now(), everyMs: LOOK_MS });
    await look(async () => {
      const waiting = await this.waiting(ends);
      if (waiting > 0) throw new Error(`${waiting} commands wait`);
    });
    const written = await look(() => this.#endsOf(events, 'everything'));
    await look(async () => {
      const visible = await this.#endsOf(events, 'committed');
      const hidden = visible.findIndex((end, partition) => end < (written[partition] ?? 0));
      if (hidden >= 0) throw new Error(`A transaction in ${events}/${hidden} does not end`);
    });
  }

  /**
   * Waits until a broker that is well knows a leader of every partition, and all leaders and
   * replicas in sync are well. Until then a leader waits for the others.
   * @throws when a partition waits for too long
   */
  async awaitElection(): Promise<void> {
    await eventually(() => this.#isElected(), { withinMs: KAFKA_MS, everyMs: LOOK_MS });
  }

  /**
   * Waits until all brokers are well and every replica is in sync.
   * @throws when that takes too long
   */
  async awaitWhole(): Promise<void> {
    await eventually(() => this.#isWhole(), { withinMs: KAFKA_MS, everyMs: LOOK_MS });
  }

  async #isElected(): Promise<void> {
    const { whole, view } = this.#cluster;
    await Promise.any(whole.map(async (broker) => everyLed(await view.of(broker), whole)));
  }

  async #isWhole(): Promise<void> {
    const { all, whole, view } = this.#cluster;
    const { brokers, partitions } = await view.of(all[0] as number);
    const late = partitions.filter(({ replicas, inSync }) => inSync.length < replicas.length);
    if (late.length > 0)
      throw new Error(`${late.length} partitions have replicas that are not in sync`);
    if (whole.length < all.length || brokers.length < all.length)
      throw new Error('A broker is away');
    await this.#isElected();
  }

  /** Returns the partitions as a broker that is well sees them. */
  async partitions(): Promise<readonly PartitionView[]> {
    const { whole, view } = this.#cluster;
    return (await Promise.any(whole.map((broker) => view.of(broker)))).partitions;
  }

  async #endsOf(topic: string, of: 'everything' | 'committed'): Promise<readonly number[]> {
    const { whole, view } = this.#cluster;
    const partitions = (await this.partitions()).filter((each) => each.topic === topic);
    const ends: number[] = [];
    const read = async ({ partition, leader }: PartitionView) => {
      if (!whole.includes(leader))
        throw new Error(`Broker ${leader}, which is away, leads ${topic}/${partition}`);
      ends[partition] = await view.end(leader, topic, partition, of);
    };
    await Promise.all(partitions.map(read));
    return ends;
  }
}

function everyLed({ partitions }: View, whole: readonly number[]): void {
  const orphan = partitions.find(
    ({ leader, inSync }) => ![leader, ...inSync].every((broker) => whole.includes(broker)),
  );
  if (orphan)
    throw new Error(`${orphan.topic}/${orphan.partition} waits for a broker that is away`);
}
