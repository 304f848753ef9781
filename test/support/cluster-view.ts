import { eventually } from './eventually.ts';
import { type Address, ask, type WireReader, WireWriter } from './kafka-wire.ts';

/** How long one broker may take for one answer. A broker that was cut off never answers. */
const PATIENCE_MS = 1_000;
const EVERY_OFFSET = 0;
const COMMITTED_OFFSETS = 1;
const LATEST = -1;
const ELECTION_MS = 5_000;

/** A partition as one broker sees it. */
export interface PartitionView {
  readonly topic: string;
  readonly partition: number;
  /** The number of the leading broker; -1 when no broker leads. */
  readonly leader: number;
  readonly replicas: readonly number[];
  readonly inSync: readonly number[];
}

/** The cluster as one broker knows it. */
export interface View {
  readonly brokers: readonly number[];
  readonly partitions: readonly PartitionView[];
}

/** Shows a cluster as its brokers see it, and asks them one by one. */
export class ClusterView {
  readonly #addresses: ReadonlyMap<number, Address>;

  /** @param addresses the addresses of the brokers, by broker number */
  constructor(addresses: ReadonlyMap<number, Address>) {
    this.#addresses = addresses;
  }

  /**
   * Returns what the broker knows about all brokers and topics.
   * @throws when the broker does not answer
   */
  async of(broker: number): Promise<View> {
    const answer = await this.#ask(
      broker,
      'Metadata',
      new WireWriter().array(null, () => {}).int8(0),
    );
    answer.int32();
    const brokers = answer.array(() => {
      const id = answer.int32();
      answer.string();
      answer.int32();
      answer.string();
      return id;
    });
    answer.string();
    answer.int32();
    const topics = answer.array(() => {
      answer.int16();
      const topic = answer.string() ?? '';
      answer.int8();
      return answer.array(() => readPartition(answer, topic));
    });
    return { brokers, partitions: topics.flat() };
  }

  /** Returns the active controller, as the asked broker knows it. */
  async controller(asked: number): Promise<number> {
    const request = new WireWriter();
    request.compactArray(['__cluster_metadata'], (topic) => {
      request
        .compactString(topic)
        .compactArray([0], (partition) => request.int32(partition).noTags());
      request.noTags();
    });
    const answer = await this.#ask(asked, 'DescribeQuorum', request.noTags(), ELECTION_MS);
    answer.int16();
    answer.compactLength();
    answer.compactString();
    answer.compactLength();
    answer.int32();
    answer.int16();
    return answer.int32();
  }

  /**
   * Returns the coordinator of the group.
   * @throws when no broker coordinates the group now
   */
  async coordinator(asked: number, group: string): Promise<number> {
    const answer = await this.#ask(
      asked,
      'FindCoordinator',
      new WireWriter().string(group).int8(0),
    );
    answer.int32();
    refuseError(answer.int16(), 'FindCoordinator');
    answer.string();
    return answer.int32();
  }

  /**
   * Returns the committed offset of the group in each partition of the topic. Null: there is none.
   */
  async committed(
    coordinator: number,
    group: string,
    topic: string,
    partitions: number,
  ): Promise<readonly (number | null)[]> {
    const request = new WireWriter().string(group);
    request.array([topic], () =>
      request.string(topic).array(range(partitions), (partition) => request.int32(partition)),
    );
    const answer = await this.#ask(coordinator, 'OffsetFetch', request);
    answer.int32();
    const offsets = new Array<number | null>(partitions).fill(null);
    answer.array(() => {
      answer.string();
      answer.array(() => {
        const partition = answer.int32();
        const offset = answer.int64();
        answer.string();
        refuseError(answer.int16(), 'OffsetFetch');
        offsets[partition] = offset < 0 ? null : offset;
      });
    });
    refuseError(answer.int16(), 'OffsetFetch');
    return offsets;
  }

  /**
   * Returns the end of the partition, for a reader of all records or of committed ones.
   * @throws when the asked broker does not lead the partition
   */
  async end(
    leader: number,
    topic: string,
    partition: number,
    of: 'everything' | 'committed',
  ): Promise<number> {
    const request = new WireWriter()
      .int32(-1)
      .int8(of === 'everything' ? EVERY_OFFSET : COMMITTED_OFFSETS);
    request.array([topic], () =>
      request.string(topic).array([partition], () => request.int32(partition).int64(LATEST)),
    );
    const answer = await this.#ask(leader, 'ListOffsets', request);
    answer.int32();
    const [[end] = []] = answer.array(() => {
      answer.string();
      return answer.array(() => {
        answer.int32();
        refuseError(answer.int16(), 'ListOffsets');
        answer.int64();
        return answer.int64();
      });
    });
    return end ?? 0;
  }

  /**
   * Makes the first of these replicas the preferred leader of the partition. Resolves when that
   * broker leads.
   */
  async lead(
    { topic, partition }: PartitionView,
    replicas: readonly number[],
    asked: number,
  ): Promise<void> {
    const order = new WireWriter().int32(ELECTION_MS);
    order.compactArray([topic], () => {
      order.compactString(topic);
      order.compactArray([partition], () => {
        order.int32(partition).compactArray(replicas, (replica) => order.int32(replica));
        order.noTags();
      });
      order.noTags();
    });
    await this.#ask(asked, 'AlterPartitionReassignments', order.noTags(), ELECTION_MS);
    const leads = async () => {
      await this.elect([{ topic, partition }], asked);
      const { partitions } = await this.of(asked);
      const found = partitions.find((each) => each.topic === topic && each.partition === partition);
      if (found?.leader !== replicas[0])
        throw new Error(`Broker ${replicas[0]} does not lead ${topic}/${partition}`);
    };
    await eventually(leads);
  }

  /** Has the preferred leaders of these partitions elected. Null: those of all partitions. */
  async elect(
    partitions: readonly Pick<PartitionView, 'topic' | 'partition'>[] | null,
    asked: number,
  ): Promise<void> {
    const request = new WireWriter();
    request.array(partitions, ({ topic, partition }) =>
      request.string(topic).array([partition], () => request.int32(partition)),
    );
    await this.#ask(asked, 'ElectLeaders', request.int32(ELECTION_MS), ELECTION_MS);
  }

  #ask(
    broker: number,
    name: Parameters<typeof ask>[1],
    request: WireWriter,
    patienceMs = PATIENCE_MS,
  ): Promise<WireReader> {
    const address = this.#addresses.get(broker);
    if (!address) throw new Error(`There is no broker ${broker}`);
    return ask(address, name, request.bytes(), patienceMs);
  }
}

function readPartition(answer: WireReader, topic: string): PartitionView {
  answer.int16();
  return {
    topic,
    partition: answer.int32(),
    leader: answer.int32(),
    replicas: answer.array(() => answer.int32()),
    inSync: answer.array(() => answer.int32()),
  };
}

function refuseError(code: number, request: string): void {
  if (code !== 0) throw new Error(`${request} was answered with error ${code}`);
}

function range(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index);
}
