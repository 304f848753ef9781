import '../../src/adapters/broker/kafka/kafkajs-internals.ts';
import { Kafka, logLevel } from 'kafkajs';

const READY_TIMEOUT_MS = 40_000;

/** The settings that a broker has in Docker and on Java. */
export const BROKER_SETTINGS: Readonly<Record<string, string>> = {
  'group.initial.rebalance.delay.ms': '0',
  'offsets.topic.replication.factor': '1',
  'offsets.topic.num.partitions': '4',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'transaction.state.log.num.partitions': '4',
  'share.coordinator.state.topic.replication.factor': '1',
  'share.coordinator.state.topic.min.isr': '1',
  'auto.create.topics.enable': 'false',
  // By default the cluster lets a killed broker in again only after 9 s.
  'broker.session.timeout.ms': '2000',
  'broker.heartbeat.interval.ms': '500',
};

/** Resolves when the broker works. */
export async function answers(brokers: string): Promise<void> {
  const retry = {
    initialRetryTime: 100,
    multiplier: 1,
    factor: 0,
    retries: READY_TIMEOUT_MS / 100,
  };
  const admin = new Kafka({ brokers: [brokers], logLevel: logLevel.NOTHING, retry }).admin();
  await admin.connect();
  await admin.listTopics();
  await admin.disconnect();
}
