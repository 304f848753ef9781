import type { LogRecord } from '../../src/service-layer/records.ts';
import type { RunningService } from './running-service.ts';

/**
 * Publishes the service's events to a new topic of one partition, after `change`.
 * @returns the topic
 */
export async function publishChanged(
  { service, events }: RunningService,
  change: (events: LogRecord[]) => LogRecord[],
): Promise<string> {
  const name = `events-${crypto.randomUUID().slice(0, 8)}`;
  await service.broker.ensureTopics([{ name, partitions: 1, maxMessageBytes: 1_000_000 }], true);
  await service.broker.publish(
    name,
    change(events.map(({ key, value, headers }) => ({ key, value, headers }))),
  );
  return name;
}
