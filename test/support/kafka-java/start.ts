import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../free-port.ts';
import type { TestKafka } from '../kafka.ts';
import { answers, BROKER_SETTINGS } from '../kafka-broker.ts';
import { type BrokerProcess, startBrokerProcess } from './broker-process.ts';
import { fetchLibraries, requireJava } from './libraries.ts';

const run = promisify(execFile);
const CLUSTER_ID = 'allocationTestKafkaAAA';
export const JVM = [
  '-Xmx512m',
  '-Xms128m',
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-Xshare:auto',
];

/**
 * Starts Kafka in KRaft mode, from the artifacts of Maven, on the Java of this machine.
 * @param keptData a folder whose data outlives the broker. Without it the data is removed.
 */
export async function startJavaKafka(port: number, keptData?: string): Promise<TestKafka> {
  await requireJava();
  const libraries = await fetchLibraries();
  const directory = await mkdtemp(join(tmpdir(), 'allocation-kafka-'));
  const settings = join(directory, 'server.properties');
  const controllerPort = await freePort();
  const data = keptData ?? join(directory, 'data');
  await writeFile(settings, asProperties(forOneBroker(port, controllerPort, data)));
  try {
    await format(libraries, settings, keptData ? ['--ignore-formatted'] : []);
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
  const removeData = () => rmSync(directory, { recursive: true, force: true });
  process.once('exit', removeData);
  const brokers = `127.0.0.1:${port}`;
  const start = () =>
    startBrokerProcess(directory, brokerCommand(libraries, settings), () => answers(brokers));
  let running: BrokerProcess | null = await start();
  return {
    brokers,
    faults: {
      kill: async () => {
        await running?.end('kill');
        running = null;
      },
      restart: async () => {
        running ??= await start();
      },
    },
    stop: async () => {
      await running?.end(keptData ? 'stop' : 'remove');
      removeData();
      process.off('exit', removeData);
    },
  };
}

/** Returns the command that runs a broker. */
export function brokerCommand(
  libraries: string,
  settings: string,
  javaOptions: readonly string[] = [],
): readonly string[] {
  return ['java', ...JVM, ...javaOptions, '-cp', join(libraries, '*'), 'kafka.Kafka', settings];
}

/**
 * Prepares the data folder that the settings name for a first start.
 * @param options further options of Kafka's tool
 */
export async function format(
  libraries: string,
  settings: string,
  options: readonly string[] = [],
): Promise<void> {
  const tool = ['kafka.tools.StorageTool', 'format', '-t', CLUSTER_ID, '-c', settings];
  await run('java', [...JVM, '-cp', join(libraries, '*'), ...tool, ...options]);
}

/** Returns the text of a properties file. */
export function asProperties(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

/** The settings of every broker that is a controller too. */
export const KRAFT_SETTINGS: Readonly<Record<string, string>> = {
  'process.roles': 'broker,controller',
  'controller.listener.names': 'CONTROLLER',
  'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
  'inter.broker.listener.name': 'PLAINTEXT',
  'log.cleaner.dedupe.buffer.size': String(16 * 1024 * 1024),
};

function forOneBroker(port: number, controllerPort: number, data: string): Record<string, string> {
  return {
    ...BROKER_SETTINGS,
    ...KRAFT_SETTINGS,
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'log.dirs': data,
  };
}
