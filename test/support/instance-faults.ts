import { setTimeout as sleep } from 'node:timers/promises';
import { Database } from '../../src/adapters/database/database.ts';
import { lanesAtWork } from './command-flow.ts';
import { eventually } from './eventually.ts';
import type { FaultyProxy } from './faulty-proxy.ts';
import type { TestKafka } from './kafka.ts';
import type { PostgresServer } from './postgres.ts';
import { type ServiceProcess, stopped } from './service-process.ts';
import type { TcpProxy } from './tcp-proxy.ts';

const DISTURBANCE_MS = 3_000;
/**
 * A cut outlasts the session of the group (6 s) and the patience of PostgreSQL (4 s). Most cuts
 * outlast the patience of the client (10 s) too.
 */
const CUT_MS = { least: 8_000, most: 15_000 };
const BROKER_AWAY_MS = 1_000;
const DELAY_MS = 20;
/** A guest that has no lane by then never gets one. */
const GIVE_UP_MS = 90_000;
/** How soon the service ought to recover after a restart of an instance. */
const RESTART_MS = 8_000;

export interface Fault {
  /** Makes the fault happen. Resolves when the fault is over. */
  happen(): Promise<unknown>;
  /** What an operator does after the fault. Its time counts as recovery time of the service. */
  mend?(): Promise<unknown>;
  readonly targetMs?: number;
}

/** The proxies between an instance and its servers. */
export interface Link {
  readonly kafka: FaultyProxy;
  readonly postgres: TcpProxy;
}

/** What the faults befall. */
interface FaultParts {
  readonly kafka: TestKafka;
  readonly postgres: PostgresServer;
  /** The proxies of each instance, by its index. */
  readonly links: readonly Link[];
  readonly instances: ServiceProcess[];
  readonly options: { readonly zombieMs: number; readonly mortal: readonly number[] };
  /** @param index the index of the proxies of the instance */
  readonly startInstance: (index: number) => Promise<ServiceProcess>;
  readonly terminateAll: () => Promise<void>;
  /** Resolves when commands wait. */
  readonly waitForWork: () => Promise<void>;
  /** Records a finding when commands keep waiting for an instance that is stopped or cut off. */
  readonly watchTakeover: () => Promise<void>;
}

export type FaultName = keyof ReturnType<typeof instanceFaults>;

/** Makes the table of every fault that befalls instances, their Kafka and their PostgreSQL. */
export function instanceFaults(parts: FaultParts) {
  return {
    'an instance killed and restarted': replaceInstance(parts, (instance) =>
      instance.stop('SIGKILL'),
    ),
    'an instance terminated and restarted': replaceInstance(parts, stopped),
    'both instances terminated and restarted': {
      targetMs: RESTART_MS,
      happen: () => parts.terminateAll(),
      mend: async () => {
        parts.instances.splice(
          0,
          2,
          ...(await Promise.all([0, 1].map((index) => parts.startInstance(index)))),
        );
      },
    },
    'an instance stopped past its time and woken': {
      happen: () => sleepPastTime(parts, [random(parts.instances)]),
    },
    'both instances stopped past their time and woken': {
      happen: () => sleepPastTime(parts, parts.instances),
    },
    'a third instance that joins and leaves': { happen: () => addGuest(parts, stopped) },
    'a third instance that joins and is killed': {
      happen: () => addGuest(parts, (instance) => instance.stop('SIGKILL')),
    },
    'the broker killed and restarted': {
      happen: async () => {
        await parts.kafka.faults?.kill();
        await sleep(BROKER_AWAY_MS);
        await parts.kafka.faults?.restart();
      },
    },
    'connections to Kafka reset': {
      happen: async () => someLinks(parts, 'kafka').map((proxy) => proxy.reset()),
    },
    'a black hole before Kafka': {
      happen: () => blackHole(someLinks(parts, 'kafka'), DISTURBANCE_MS),
    },
    'an instance behind a black hole before Kafka, past its time': {
      happen: () =>
        Promise.all([
          blackHole([random(parts.links).kafka], between(CUT_MS)),
          parts.watchTakeover(),
        ]),
    },
    'Kafka stalled': {
      happen: () =>
        Promise.all(someLinks(parts, 'kafka').map((proxy) => proxy.stall(DISTURBANCE_MS))),
    },
    'an instance with Kafka stalled, past its time': {
      happen: () =>
        Promise.all([random(parts.links).kafka.stall(between(CUT_MS)), parts.watchTakeover()]),
    },
    'Kafka slowed down': { happen: () => slowDown(someLinks(parts, 'kafka')) },
    'the answer to Produce lost': { happen: () => random(parts.links).kafka.loseAnswer('Produce') },
    'the answer to EndTxn lost': { happen: () => random(parts.links).kafka.loseAnswer('EndTxn') },
    'the answer to InitProducerId lost': {
      happen: async () => {
        const { kafka } = random(parts.links);
        // A lane opens a new producer only after it has lost one.
        await kafka.loseAnswer('EndTxn');
        await kafka.loseAnswer('InitProducerId');
      },
    },
    'connections to PostgreSQL reset': {
      happen: async () => someLinks(parts, 'postgres').map((proxy) => proxy.reset()),
    },
    'a black hole before PostgreSQL': {
      happen: () => blackHole(someLinks(parts, 'postgres'), DISTURBANCE_MS),
    },
    'PostgreSQL stalled': {
      happen: () =>
        Promise.all(someLinks(parts, 'postgres').map((proxy) => proxy.stall(DISTURBANCE_MS))),
    },
    'an instance with PostgreSQL stalled, past its time': {
      happen: () => random(parts.links).postgres.stall(between(CUT_MS)),
    },
    'PostgreSQL slowed down': { happen: () => slowDown(someLinks(parts, 'postgres')) },
    'PostgreSQL sessions terminated amid transactions': {
      happen: () => eventually(() => terminateSessions(parts.postgres.url)),
    },
    'PostgreSQL restarted': { happen: () => restartPostgres(parts, 'SIGINT') },
    'PostgreSQL crashed': { happen: () => restartPostgres(parts, 'SIGQUIT') },
  } satisfies Record<string, Fault>;
}

/** Ends one of the mortal instances at work, and starts another in its place. */
function replaceInstance(
  parts: FaultParts,
  end: (instance: ServiceProcess) => Promise<unknown>,
): Fault {
  let index = 0;
  return {
    targetMs: RESTART_MS,
    happen: async () => {
      index = random(parts.options.mortal);
      await parts.waitForWork();
      await end(parts.instances[index] as ServiceProcess);
    },
    mend: async () => {
      parts.instances[index] = await parts.startInstance(index);
    },
  };
}

/** Stops the instances past their time, and wakes them. */
async function sleepPastTime(
  parts: FaultParts,
  instances: readonly ServiceProcess[],
): Promise<void> {
  for (const { pid } of instances) process.kill(pid, 'SIGSTOP');
  const isOneAwake = instances.length < parts.instances.length;
  await Promise.all([sleep(parts.options.zombieMs), isOneAwake && parts.watchTakeover()]);
  for (const { pid } of instances) process.kill(pid, 'SIGCONT');
}

/** Adds an instance for a while. */
async function addGuest(
  parts: FaultParts,
  end: (instance: ServiceProcess) => Promise<unknown>,
): Promise<void> {
  await using guest = await parts.startInstance(random([0, 1]));
  await eventually(
    async () => {
      if ((await lanesAtWork(guest.url)) === 0) throw new Error('The guest has no lane yet');
    },
    { withinMs: GIVE_UP_MS },
  );
  await end(guest);
}

/** Returns the proxies of one instance, or of both, at random. */
function someLinks<Kind extends keyof Link>({ links }: FaultParts, kind: Kind): Link[Kind][] {
  const proxies = links.map((link) => link[kind]);
  return random([proxies, [random(proxies)]]);
}

async function restartPostgres(
  { postgres }: FaultParts,
  signal: 'SIGINT' | 'SIGQUIT',
): Promise<void> {
  await postgres.faults?.end(signal);
  await postgres.faults?.restart();
}

function random<T>(of: readonly T[]): T {
  return of[Math.floor(Math.random() * of.length)] as T;
}

function between({ least, most }: typeof CUT_MS): number {
  return least + Math.random() * (most - least);
}

async function blackHole(proxies: readonly TcpProxy[], ms: number): Promise<void> {
  for (const proxy of proxies) proxy.beginBlackHole();
  await sleep(ms);
  for (const proxy of proxies) proxy.endBlackHole();
}

async function slowDown(proxies: readonly TcpProxy[]): Promise<void> {
  for (const proxy of proxies) proxy.slowDown(DELAY_MS);
  await sleep(DISTURBANCE_MS);
  for (const proxy of proxies) proxy.slowDown(0);
}

/**
 * Ends all other sessions of the database.
 * @throws when none of them had a transaction
 */
async function terminateSessions(url: string): Promise<void> {
  const database = await Database.open(url);
  try {
    const sessions = await database.query<{ writes: boolean }>(
      `select backend_xid is not null as writes, pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid()`,
    );
    if (!sessions.some(({ writes }) => writes)) throw new Error('No session has a transaction');
  } finally {
    await database.close();
  }
}
