import { cpSync, existsSync, globSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClusterView } from '../cluster-view.ts';
import { eventually } from '../eventually.ts';
import { freePort } from '../free-port.ts';
import { BROKER_SETTINGS } from '../kafka-broker.ts';
import type { Address } from '../kafka-wire.ts';
import { afterwards } from './afterwards.ts';
import { type BrokerProcess, type End, startBrokerProcess } from './broker-process.ts';
import { fetchLibraries, type KafkaVersion, requireJava } from './libraries.ts';
import { MachineNetwork } from './network.ts';
import { asProperties, brokerCommand, format, KRAFT_SETTINGS } from './start.ts';

const BROKERS = [1, 2, 3] as const;
const START_MS = 60_000;
/**
 * Removes all data, even that of a broker that is away. Brokers that are being killed may still
 * write.
 */
const REMOVE = 'for try in $(seq 10); do rm -rf "$1" && break; sleep 1; done';
const REPLICATED: Readonly<Record<string, string>> = {
  'default.replication.factor': '3',
  'min.insync.replicas': '2',
  'offsets.topic.replication.factor': '3',
  'transaction.state.log.replication.factor': '3',
  'transaction.state.log.min.isr': '2',
  'share.coordinator.state.topic.replication.factor': '3',
  'share.coordinator.state.topic.min.isr': '2',
};

/** The options of a cluster. */
export interface ClusterOptions {
  readonly version: KafkaVersion;
  /**
   * The milliseconds without a sign after which a broker counts as dead. Kafka defaults to 9,000.
   */
  readonly sessionMs: number;
}

/**
 * Runs three Kafka brokers that are controllers too, as a small installation does, in KRaft mode
 * from the artifacts of Maven. Every topic has three replicas, and needs two of them.
 *
 * Where possible, each broker is a machine of its own in a network of its own. Otherwise all are on
 * the loopback address, and `whyNoCuts` says why no broker can be cut off.
 */
export class KafkaCluster {
  readonly brokers: string;
  readonly view: ClusterView;
  /** Why `cut` does not work here; null when it does. */
  readonly whyNoCuts: string | null;
  readonly #directory: string;
  readonly #removeData: () => Promise<void>;
  readonly #libraries: string;
  readonly #network: MachineNetwork | null;
  readonly #addresses: ReadonlyMap<number, Address>;
  readonly #running = new Map<number, BrokerProcess>();
  readonly #cut = new Set<number>();

  private constructor(
    directory: string,
    libraries: string,
    network: MachineNetwork | Error,
    addresses: ReadonlyMap<number, Address>,
  ) {
    this.#directory = directory;
    this.#removeData = afterwards(REMOVE, [directory]);
    this.#libraries = libraries;
    this.#network = network instanceof Error ? null : network;
    this.whyNoCuts = network instanceof Error ? network.message : null;
    this.#addresses = addresses;
    this.brokers = [...addresses.values()].map(({ host, port }) => `${host}:${port}`).join(',');
    this.view = new ClusterView(addresses);
  }

  /**
   * Starts the cluster. Resolves when all three brokers know each other.
   * @throws when Java or Maven is missing; the message says why
   */
  static async start({ version, sessionMs }: ClusterOptions): Promise<KafkaCluster> {
    await requireJava();
    const libraries = await fetchLibraries(version);
    const network = await MachineNetwork.create(BROKERS.length).catch((reason: Error) => reason);
    const directory = await mkdtemp(join(tmpdir(), 'allocation-kafka-cluster-'));
    const [addresses, controllers] =
      network instanceof Error
        ? [await onLoopback(), await onLoopback()]
        : [inNetwork(network, 9092), inNetwork(network, 9093)];
    const cluster = new KafkaCluster(directory, libraries, network, addresses);
    try {
      await cluster.#prepare(controllers, sessionMs);
      const starts = await Promise.allSettled(BROKERS.map((broker) => cluster.startBroker(broker)));
      for (const start of starts) if (start.status === 'rejected') throw start.reason;
      return cluster;
    } catch (error) {
      await cluster.close();
      throw error;
    }
  }

  /** The numbers of all brokers. */
  get all(): readonly number[] {
    return BROKERS;
  }

  /** The numbers of the brokers that run and are not cut off from others. */
  get whole(): readonly number[] {
    return [...this.#running.keys()].filter((broker) => !this.#cut.has(broker));
  }

  /** The addresses of the brokers in `whole`, as clients take them. */
  get wholeBrokers(): string {
    return this.whole.map((broker) => addressOf(this.#addresses, broker)).join(',');
  }

  /**
   * Ends the broker, in order or by SIGKILL. Its data stays. Resolves when the broker has ended.
   */
  async endBroker(broker: number, how: Exclude<End, 'remove'>): Promise<void> {
    const running = this.#running.get(broker);
    if (!running) throw new Error(`Broker ${broker} does not run`);
    this.#running.delete(broker);
    await running.end(how);
  }

  /**
   * Starts the broker on its data. Resolves when the broker answers and is in the cluster.
   * @param clockOffsetSeconds how far its clock is ahead of real time; needs libfaketime
   */
  async startBroker(broker: number, clockOffsetSeconds = 0): Promise<void> {
    const directory = this.#directoryOf(broker);
    const command = brokerCommand(this.#libraries, join(directory, 'server.properties'));
    const isUp = () => eventually(() => this.#isKnown(broker), { withinMs: START_MS });
    const inPlace = this.#network?.inside(broker, command) ?? command;
    this.#running.set(
      broker,
      await startBrokerProcess(directory, inPlace, isUp, clock(clockOffsetSeconds)),
    );
  }

  /**
   * Cuts the broker off from the other brokers, or from everybody. Resolves when packets between
   * them vanish.
   */
  async cut(broker: number, from: 'machines' | 'everybody'): Promise<void> {
    if (!this.#network) throw new Error(`No broker can be cut off: ${this.whyNoCuts}`);
    this.#cut.add(broker);
    await this.#network.cut(broker, from);
  }

  /** Undoes `cut`. */
  async mend(broker: number): Promise<void> {
    await this.#network?.mend(broker);
    this.#cut.delete(broker);
  }

  /** Reads the output of the broker. */
  log(broker: number): Promise<string> {
    return readFile(join(this.#directoryOf(broker), 'kafka.log'), 'utf8');
  }

  /** Ends all brokers, and removes network and data. */
  async close(): Promise<void> {
    await Promise.all([...this.#running.values()].map((running) => running.end('remove')));
    this.#running.clear();
    await this.#network?.close();
    await this.#removeData();
  }

  #directoryOf(broker: number): string {
    return join(this.#directory, String(broker));
  }

  async #isKnown(broker: number): Promise<void> {
    const { brokers } = await this.view.of(broker);
    if (!brokers.includes(broker)) throw new Error(`Broker ${broker} is not in the cluster yet`);
  }

  /** Writes the settings of each broker, and one formatted data folder that the others copy. */
  async #prepare(controllers: ReadonlyMap<number, Address>, sessionMs: number): Promise<void> {
    const [first, ...others] = BROKERS;
    const voters = [...controllers]
      .map(([broker, { host, port }]) => `${broker}@${host}:${port}`)
      .join(',');
    for (const broker of BROKERS) {
      const directory = this.#directoryOf(broker);
      await mkdir(directory);
      const settings = {
        ...this.#settingsOf(broker, controllers, sessionMs),
        'controller.quorum.voters': voters,
      };
      await writeFile(join(directory, 'server.properties'), asProperties(settings));
    }
    await format(this.#libraries, join(this.#directoryOf(first), 'server.properties'));
    for (const broker of others) {
      cpSync(join(this.#directoryOf(first), 'data'), join(this.#directoryOf(broker), 'data'), {
        recursive: true,
      });
      const identity = join(this.#directoryOf(broker), 'data', 'meta.properties');
      await writeFile(identity, asAnother(await readFile(identity, 'utf8'), broker));
    }
  }

  #settingsOf(
    broker: number,
    controllers: ReadonlyMap<number, Address>,
    sessionMs: number,
  ): Record<string, string> {
    const clients = addressOf(this.#addresses, broker);
    return {
      ...BROKER_SETTINGS,
      ...KRAFT_SETTINGS,
      ...REPLICATED,
      'broker.session.timeout.ms': String(sessionMs),
      'node.id': String(broker),
      listeners: `PLAINTEXT://${clients},CONTROLLER://${addressOf(controllers, broker)}`,
      'advertised.listeners': `PLAINTEXT://${clients}`,
      'log.dirs': join(this.#directoryOf(broker), 'data'),
    };
  }
}

/** Returns the environment that sets the wall clock of a program ahead by this many seconds. */
function clock(offsetSeconds: number): Record<string, string> {
  if (offsetSeconds === 0) return {};
  const library = fakeClock();
  if (!library) throw new Error('no libfaketime (Debian: apt-get install faketime)');
  return {
    LD_PRELOAD: library,
    FAKETIME: `${offsetSeconds > 0 ? '+' : ''}${offsetSeconds}s`,
    // The clock that measures durations must stay as it is. With the default fix, Java hangs.
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    FAKETIME_FORCE_MONOTONIC_FIX: '0',
  };
}

/** Returns the library that changes the clock of a program, or null when this machine has none. */
export function fakeClock(): string | null {
  const [library] = globSync('/usr/lib/*/faketime/libfaketimeMT.so.1');
  return library && existsSync(library) ? library : null;
}

function asAnother(identity: string, broker: number): string {
  const directoryId = Buffer.from(crypto.randomUUID().replaceAll('-', ''), 'hex').toString(
    'base64url',
  );
  return identity
    .replace(/^node\.id=.*$/m, `node.id=${broker}`)
    .replace(/^directory\.id=.*$/m, `directory.id=${directoryId}`);
}

function inNetwork(network: MachineNetwork, port: number): ReadonlyMap<number, Address> {
  return new Map(BROKERS.map((broker) => [broker, { host: network.address(broker), port }]));
}

async function onLoopback(): Promise<ReadonlyMap<number, Address>> {
  const addresses = new Map<number, Address>();
  for (const broker of BROKERS)
    addresses.set(broker, { host: '127.0.0.1', port: await freePort() });
  return addresses;
}

function addressOf(addresses: ReadonlyMap<number, Address>, broker: number): string {
  const { host, port } = addresses.get(broker) as Address;
  return `${host}:${port}`;
}
