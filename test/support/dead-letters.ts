import { asDeadLetters, type DeadLetter } from '../../src/dead-letters/read-dead-letter.ts';
import type { Broker } from '../../src/service-layer/broker.ts';
import type { ReceivedRecord } from '../../src/service-layer/records.ts';

/** Reads every committed record of the topic, up to its current ends. */
export async function readTopic(broker: Broker, topic: string): Promise<readonly ReceivedRecord[]> {
  const found: (readonly ReceivedRecord[])[] = [];
  await broker.read(
    topic,
    await broker.offsetRanges(topic),
    async ({ records }) => void found.push(records),
  );
  return found.flat();
}

/** Reads every dead letter of the topic, oldest first. */
export async function readDeadLetters(
  broker: Broker,
  topic: string,
): Promise<readonly DeadLetter[]> {
  return asDeadLetters(await readTopic(broker, topic));
}
