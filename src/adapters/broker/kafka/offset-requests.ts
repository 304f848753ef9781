import { setTimeout as sleep } from 'node:timers/promises';
import { TroubleError } from '../../../service-layer/unit-of-work.ts';
import { type BrokerNode, type Cluster, createDecoder, createEncoder, GROUP_COORDINATOR } from './protocol.ts';

/** A committed offset, or the end of an epoch, of one partition, as Kafka answers it. */
export interface PartitionAnswer {
  readonly partition: number;
  readonly errorCode: number;
  /** Below 0: there is none. */
  readonly offset: number;
}

const OFFSET_FETCH = 9;
/** The first version that can ask for stable offsets alone (KIP-447, Kafka 2.5). */
const WITH_REQUIRE_STABLE = 7;
const OFFSET_FOR_LEADER_EPOCH = 23;
const EPOCH_VERSION = 3;
/** As a consumer: no replica asks. */
const NO_REPLICA = -1;
const ANY_LEADER_EPOCH = -1;
const RETRY_MS = 50;

/** What an answer with an error asks for, by Kafka's error code. Every other code is an error for good. */
type Remedy = 'ask again' | 'find the node again';
const OFFSET_FETCH_REMEDIES: Readonly<Record<number, Remedy>> = {
  14: 'ask again', // COORDINATOR_LOAD_IN_PROGRESS
  15: 'find the node again', // COORDINATOR_NOT_AVAILABLE
  16: 'find the node again', // NOT_COORDINATOR
  88: 'ask again', // UNSTABLE_OFFSET_COMMIT: a committed transaction's offsets are not applied yet
};
const EPOCH_REMEDIES: Readonly<Record<number, Remedy>> = {
  3: 'find the node again', // UNKNOWN_TOPIC_OR_PARTITION
  5: 'find the node again', // LEADER_NOT_AVAILABLE
  6: 'find the node again', // NOT_LEADER_OR_FOLLOWER
  9: 'find the node again', // REPLICA_NOT_AVAILABLE
  56: 'find the node again', // KAFKA_STORAGE_ERROR
  74: 'find the node again', // FENCED_LEADER_EPOCH
  75: 'find the node again', // UNKNOWN_LEADER_EPOCH
  78: 'ask again', // OFFSET_NOT_AVAILABLE
};

/**
 * The group's committed offsets of the topic's partitions from 0 up to `count`, those of committed transactions included.
 * Asks again while the coordinator moves, loads, or still applies a transaction, until the time is up.
 * @param coordinators the nodes that were found before, by group
 * @throws {TroubleError} the time is up, Kafka refuses, or its answer leaves out a partition
 */
export async function readCommittedOffsets(
  cluster: Cluster,
  coordinators: Map<string, BrokerNode>,
  asked: { readonly group: string; readonly topic: string; readonly count: number },
  timeoutMs: number,
): Promise<readonly PartitionAnswer[]> {
  const { group, topic, count } = asked;
  return await insistent(timeoutMs, OFFSET_FETCH_REMEDIES, `the offsets of ${group}`, async (remedy) => {
    if (remedy === 'find the node again') coordinators.delete(group);
    const known = coordinators.get(group);
    const node = known ?? (await cluster.findGroupCoordinator({ groupId: group, coordinatorType: GROUP_COORDINATOR }));
    coordinators.set(group, node);
    const answer = await fetchOffsets(node, asked);
    if (answer.errorCode !== 0) return answer;
    const byPartition = new Map(answer.partitions.map((each) => [each.partition, each]));
    const partitions = Array.from({ length: count }, (_, partition) => byPartition.get(partition) ?? leftOut(topic, partition));
    return { errorCode: partitions.find(({ errorCode }) => errorCode !== 0)?.errorCode ?? 0, partitions };
  });
}

/**
 * Where the records of the leader epoch, and of those before it, end in the partition.
 * @returns null: the leader does not know the epoch
 * @throws {TroubleError} the time is up, or Kafka refuses
 */
export async function readEndOfEpoch(
  cluster: Cluster,
  asked: { readonly topic: string; readonly partition: number; readonly leaderEpoch: number },
  timeoutMs: number,
): Promise<number | null> {
  const { topic, partition } = asked;
  const [found] = await insistent(timeoutMs, EPOCH_REMEDIES, `where an epoch of ${topic}/${partition} ends`, async (remedy) => {
    if (remedy === 'find the node again') await cluster.refreshMetadata();
    const [nodeId] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]));
    if (nodeId === undefined) return { errorCode: 5, partitions: [] };
    const answer = await fetchEndOfEpoch(await cluster.findBroker({ nodeId }), asked);
    return { errorCode: answer.errorCode, partitions: [answer] };
  });
  return found && found.offset >= 0 ? found.offset : null;
}

interface Answer {
  readonly errorCode: number;
  readonly partitions: readonly PartitionAnswer[];
}

/** Asks until there is an answer without an error, a final error, or no time left. */
async function insistent(
  timeoutMs: number,
  remedies: Readonly<Record<number, Remedy>>,
  what: string,
  ask: (remedy: Remedy | null) => Promise<Answer>,
): Promise<readonly PartitionAnswer[]> {
  const giveUpMs = performance.now() + timeoutMs;
  for (let remedy: Remedy | null = null; ; await sleep(RETRY_MS)) {
    const { errorCode, partitions } = await ask(remedy);
    if (errorCode === 0) return partitions;
    remedy = remedies[errorCode] ?? null;
    if (remedy === null || performance.now() > giveUpMs) throw new TroubleError(`Kafka does not say ${what}: error code ${errorCode}`);
  }
}

function leftOut(topic: string, partition: number): never {
  throw new TroubleError(`Kafka's answer leaves out ${topic}/${partition}`);
}

/** Source: Apache Kafka, protocol, OffsetFetch, version 7. */
async function fetchOffsets(
  node: BrokerNode,
  { group, topic, count }: { readonly group: string; readonly topic: string; readonly count: number },
): Promise<Answer> {
  if ((node.versions[OFFSET_FETCH]?.maxVersion ?? 0) < WITH_REQUIRE_STABLE) {
    throw new TroubleError('This Kafka cannot read stable offsets: the service needs Kafka 2.5 or newer');
  }
  const encode = async () => {
    const encoder = createEncoder()
      .writeUVarInt(0) // the header's fields with a tag: none
      .writeUVarIntString(group)
      .writeUVarInt(2) // one topic
      .writeUVarIntString(topic)
      .writeUVarInt(count + 1);
    for (let partition = 0; partition < count; partition += 1) encoder.writeInt32(partition);
    return encoder
      .writeUVarInt(0)
      .writeBoolean(true) // stable offsets alone
      .writeUVarInt(0);
  };
  const request = { apiKey: OFFSET_FETCH, apiVersion: WITH_REQUIRE_STABLE, apiName: 'OffsetFetch', encode };
  return (await node.connectionPool.send({ request, response: offsetFetchResponse })) as Answer;
}

const asIs = async (answer: unknown) => answer;

const offsetFetchResponse = {
  parse: asIs,
  decode: async (bytes: Buffer): Promise<Answer> => {
    const decoder = createDecoder(bytes);
    decoder.readTaggedFields();
    decoder.readInt32(); // for how long this client is throttled
    const partitions: PartitionAnswer[] = [];
    for (let topics = decoder.readUVarInt() - 1; topics > 0; topics -= 1) {
      decoder.readUVarIntString();
      for (let left = decoder.readUVarInt() - 1; left > 0; left -= 1) {
        const partition = decoder.readInt32();
        const offset = Number(decoder.readInt64());
        decoder.readInt32(); // the leader epoch of the offset
        decoder.readUVarIntString(); // metadata
        partitions.push({ partition, offset, errorCode: decoder.readInt16() });
        decoder.readTaggedFields();
      }
      decoder.readTaggedFields();
    }
    return { errorCode: decoder.readInt16(), partitions };
  },
};

/** Source: Apache Kafka, protocol, OffsetForLeaderEpoch, version 3; KIP-320. */
async function fetchEndOfEpoch(
  node: BrokerNode,
  { topic, partition, leaderEpoch }: { readonly topic: string; readonly partition: number; readonly leaderEpoch: number },
): Promise<PartitionAnswer> {
  const encode = async () =>
    createEncoder()
      .writeInt32(NO_REPLICA)
      .writeInt32(1)
      .writeString(topic)
      .writeInt32(1)
      .writeInt32(partition)
      .writeInt32(ANY_LEADER_EPOCH)
      .writeInt32(leaderEpoch);
  const request = { apiKey: OFFSET_FOR_LEADER_EPOCH, apiVersion: EPOCH_VERSION, apiName: 'OffsetForLeaderEpoch', encode };
  return (await node.connectionPool.send({ request, response: endOfEpochResponse })) as PartitionAnswer;
}

const endOfEpochResponse = {
  parse: asIs,
  decode: async (bytes: Buffer): Promise<PartitionAnswer> => {
    const decoder = createDecoder(bytes);
    decoder.readInt32(); // for how long this client is throttled
    decoder.readInt32(); // one topic
    decoder.readString();
    decoder.readInt32(); // one partition
    const errorCode = decoder.readInt16();
    const partition = decoder.readInt32();
    decoder.readInt32(); // the epoch that was found
    return { partition, errorCode, offset: Number(decoder.readInt64()) };
  },
};
