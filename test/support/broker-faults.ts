import type { ClusterAnswers } from './cluster-answers.ts';
import type { PartitionView } from './cluster-view.ts';
import type { CommandFlow } from './command-flow.ts';
import { eventually } from './eventually.ts';
import type { KafkaCluster } from './kafka-java/cluster.ts';

/** So many commands that some still wait when two brokers are killed. */
const BURST = 3_000;
/**
 * How long Kafka may keep a transaction open after a leader was cut off while a marker was under
 * way to that leader. Kafka sends the marker again 30 to 60 s later (docs/decisions/0022). No
 * client can end the transaction earlier.
 */
const MARKER_MS = 60_000;
/** Two brokers that start at once on two cores take longer than one. The full cause is unknown. */
const TWO_STARTS_MS = 15_000;
const CLOCK_OFFSET_SECONDS = 600;

/**
 * How the absence of a broker begins. An orderly stop or move is complete by itself. After a sudden
 * one, Kafka elects leaders.
 */
export type Manner = 'in order' | 'suddenly';

/** What the faults befall, and how their effect is measured. */
interface FaultParts {
  readonly cluster: KafkaCluster;
  readonly flow: CommandFlow;
  readonly answers: ClusterAnswers;
  /** Measures how long the service needs for its answers once something has happened. */
  readonly measure: (what: string, manner: Manner, happen: () => Promise<void>) => Promise<void>;
  /** Sends this many commands. */
  readonly send: (count: number) => Promise<void>;
  /** Notes what the instances have said by now. @returns waits until each says what is wrong */
  readonly beginListening: () => () => Promise<void>;
}

export type ClusterFaultName = keyof ReturnType<typeof brokerFaults>;

/** Makes the table of every fault that befalls the brokers of a cluster. */
export function brokerFaults(parts: FaultParts) {
  return {
    'a rolling restart of all brokers': async () => {
      for (const broker of parts.cluster.all)
        await endAndRestart(parts, 'a broker stopped in order', 'in order', broker);
      await parts.cluster.view.elect(null, parts.cluster.all[0] as number);
    },
    'each broker killed with -9': async () => {
      for (const broker of parts.cluster.all)
        await endAndRestart(parts, 'a broker killed', 'suddenly', broker);
    },
    'the controller killed with -9': async () => {
      const controller = await eventually(() =>
        parts.cluster.view.controller(parts.cluster.all[0] as number),
      );
      await endAndRestart(parts, 'the controller killed', 'suddenly', controller);
    },
    "the group's coordinator moved": async () => {
      const offsets = await partitionsOf(parts, '__consumer_offsets');
      const place = javaHash(parts.flow.group) % offsets.length;
      await moveLeaders(
        parts,
        offsets.filter(({ partition }) => partition === place),
      );
    },
    "the transactions' coordinators moved": async () =>
      moveLeaders(parts, await partitionsOf(parts, '__transaction_state')),
    'leaders moved': async () => {
      const { commands, events } = parts.flow.topics;
      await moveLeaders(parts, [
        ...(await partitionsOf(parts, commands)),
        ...(await partitionsOf(parts, events)),
      ]);
    },
    'two of three brokers killed': () => killTwo(parts),
    'a broker cut off from everybody': () => cutOff(parts, 'everybody'),
    'a broker cut off from the other brokers': () => cutOff(parts, 'machines'),
    "the brokers' clocks apart": () => setClocksApart(parts),
  } satisfies Record<string, () => Promise<unknown>>;
}

/** Returns the time that Kafka itself may need beyond the limit of the service. */
export function allowanceMs(name: ClusterFaultName): number {
  if (name.includes('cut off')) return MARKER_MS;
  return name === 'two of three brokers killed' ? TWO_STARTS_MS : 0;
}

/** Ends the broker, and starts it again once commands are answered. */
async function endAndRestart(
  parts: FaultParts,
  what: string,
  manner: Manner,
  broker: number,
): Promise<void> {
  await parts.measure(what, manner, () =>
    parts.cluster.endBroker(broker, manner === 'in order' ? 'stop' : 'kill'),
  );
  await parts.cluster.startBroker(broker);
  await parts.answers.awaitWhole();
}

async function cutOff(parts: FaultParts, from: 'machines' | 'everybody'): Promise<void> {
  const broker = random(parts.cluster.all);
  await parts.measure(`a broker cut off from ${from}`, 'suddenly', () =>
    parts.cluster.cut(broker, from),
  );
  await parts.cluster.mend(broker);
}

async function moveLeaders(parts: FaultParts, partitions: readonly PartitionView[]): Promise<void> {
  await parts.measure('leaders moved', 'in order', async () => {
    await Promise.all(partitions.map((each) => moveLeader(parts, each)));
  });
}

async function moveLeader({ cluster }: FaultParts, partition: PartitionView): Promise<void> {
  const { leader, replicas } = partition;
  const heir = random(replicas.filter((replica) => replica !== leader));
  const order = [heir, ...replicas.filter((replica) => replica !== heir)];
  await cluster.view.lead(partition, order, heir);
}

/**
 * Sets the clock of one broker ahead and of another behind. Then moves what they coordinate and
 * lead between them.
 */
async function setClocksApart(parts: FaultParts): Promise<void> {
  const [ahead, behind] = parts.cluster.all as [number, number];
  const offsets = new Map([
    [ahead, CLOCK_OFFSET_SECONDS],
    [behind, -CLOCK_OFFSET_SECONDS],
  ]);
  for (const [broker, offset] of offsets) {
    await parts.measure('a broker stopped in order', 'in order', () =>
      parts.cluster.endBroker(broker, 'stop'),
    );
    await parts.cluster.startBroker(broker, offset);
    await parts.answers.awaitWhole();
  }
  await moveLeaders(parts, await parts.answers.partitions());
  await moveLeaders(parts, await parts.answers.partitions());
  for (const broker of offsets.keys())
    await endAndRestart(parts, 'a broker stopped in order', 'in order', broker);
}

/**
 * Kills two of three brokers. The service must wait, say why, and go on when the brokers are back.
 */
async function killTwo(parts: FaultParts): Promise<void> {
  const { cluster } = parts;
  const survivor = random(cluster.all);
  const away = cluster.all.filter((broker) => broker !== survivor);
  const awaitComplaints = parts.beginListening();
  await parts.send(BURST);
  await Promise.all(away.map((broker) => cluster.endBroker(broker, 'kill')));
  await awaitComplaints();
  await parts.measure('two of three brokers killed', 'suddenly', async () => {
    await Promise.all(away.map((broker) => cluster.startBroker(broker)));
  });
}

async function partitionsOf(
  { answers }: FaultParts,
  topic: string,
): Promise<readonly PartitionView[]> {
  return (await answers.partitions()).filter((partition) => partition.topic === topic);
}

/**
 * Returns the Java hash of a text without its sign. Kafka finds the partition of a group or
 * transactional id by it.
 */
function javaHash(text: string): number {
  let hash = 0;
  for (const character of text) hash = (Math.imul(31, hash) + character.charCodeAt(0)) | 0;
  return hash & 0x7fffffff;
}

function random<T>(of: readonly T[]): T {
  return of[Math.floor(Math.random() * of.length)] as T;
}
