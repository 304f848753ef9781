import { existsSync } from 'node:fs';
import { freePort } from './free-port.ts';
import { answers, BROKER_SETTINGS } from './kafka-broker.ts';
import { startJavaKafka } from './kafka-java/start.ts';

/** A Kafka broker for tests. */
export interface TestKafka {
  readonly brokers: string;
  /**
   * Kills the broker, or restarts it on the same port with the same data. Null: the broker does not
   * run on the Java of this machine.
   */
  readonly faults: { kill(): Promise<void>; restart(): Promise<void> } | null;
  /** Stops the broker, and removes its data unless the data was to be kept. */
  stop(): Promise<void>;
}

/** This machine cannot run Kafka. The message says why. */
export class NoKafkaError extends Error {
  readonly code = 'no-kafka';
}

const IMAGE = 'apache/kafka:4.1.0';
/** The image's own folder for data. */
const DATA = '/var/lib/kafka/data';
const VOLUME = 'allocation-kafka';

/**
 * Starts a Kafka broker: the one that TEST_KAFKA_BROKERS names, else one in Docker, else one on
 * Java and Maven.
 * @param port the port of the broker; 0: any free port
 * @param keptData a folder for data that outlives the broker; in Docker, a volume keeps the data
 * @throws {NoKafkaError}
 */
export async function startKafka({
  port = 0,
  withFaults = false,
  keptData = undefined as string | undefined,
} = {}): Promise<TestKafka> {
  const given = process.env.TEST_KAFKA_BROKERS;
  if (given && !withFaults) return { brokers: given, faults: null, stop: async () => {} };
  const reasons: string[] = [];
  for (const start of withFaults ? [startJavaKafka] : [startInDocker, startJavaKafka]) {
    try {
      return await start(port || (await freePort()), keptData);
    } catch (error) {
      reasons.push((error as Error).message);
    }
  }
  throw new NoKafkaError(`no Kafka: ${reasons.join('; ')} (or set TEST_KAFKA_BROKERS)`);
}

async function startInDocker(port: number, keptData?: string): Promise<TestKafka> {
  if (!process.env.DOCKER_HOST && !existsSync('/var/run/docker.sock'))
    throw new Error('no Docker engine');
  const { GenericContainer, getContainerRuntimeClient } = await import('testcontainers');
  await getContainerRuntimeClient().catch(() => {
    throw new Error('no Docker engine answers');
  });
  const controller = 9093;
  const container = await new GenericContainer(IMAGE)
    .withExposedPorts({ container: 9092, host: port })
    .withBindMounts(keptData ? [{ source: VOLUME, target: DATA }] : [])
    .withEnvironment({
      ...asEnvironment(BROKER_SETTINGS),
      KAFKA_LOG_DIRS: DATA,
      KAFKA_NODE_ID: '1',
      KAFKA_PROCESS_ROLES: 'broker,controller',
      KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
      KAFKA_CONTROLLER_QUORUM_VOTERS: `1@localhost:${controller}`,
      KAFKA_LISTENERS: `PLAINTEXT://:9092,CONTROLLER://:${controller}`,
      KAFKA_ADVERTISED_LISTENERS: `PLAINTEXT://127.0.0.1:${port}`,
      KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    })
    .start();
  const brokers = `127.0.0.1:${port}`;
  await answers(brokers);
  return { brokers, faults: null, stop: async () => void (await container.stop()) };
}

function asEnvironment(settings: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [
      `KAFKA_${name.toUpperCase().replaceAll('.', '_')}`,
      value,
    ]),
  );
}
