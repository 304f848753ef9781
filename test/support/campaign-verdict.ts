import { Partitioners } from 'kafkajs';
import { type CommandFlow, unseenTypes } from './command-flow.ts';
import type { HttpCommands } from './http-commands.ts';
import { checkHistory } from './judge/check-history.ts';
import type { History } from './judge/history.ts';
import { contentHash, type JavaRecord, readTopicInJava } from './kafka-java/read.ts';
import { readHistory } from './read-history.ts';
import { readTopic, type TopicRecord } from './topic-reader.ts';

/** What a campaign on real Kafka and PostgreSQL leaves behind. */
export interface CampaignEnd {
  readonly flow: CommandFlow;
  readonly brokers: string;
  readonly databaseUrl: string;
  /** Whether a transaction must have been aborted, so that readers have something to skip. */
  readonly mustAbort: boolean;
  /** Commands that the service accepted over HTTP. */
  readonly http?: HttpCommands;
}

/**
 * Asks the judge about a run at rest. The service's own reader must read what the Java client
 * reads.
 * @returns what is wrong, one line each
 */
export async function judge({
  flow,
  brokers,
  databaseUrl,
  mustAbort,
  http,
}: CampaignEnd): Promise<readonly string[]> {
  if (mustAbort) await abortTransaction(flow);
  const history = await readHistory(flow.kafka, flow.topics, flow.group, databaseUrl);
  const findings = checkHistory(history).map(({ kind, detail }) => `${kind}: ${detail}`);
  if (history.commands.length < flow.sent)
    findings.push(`lost: ${flow.sent - history.commands.length} commands are gone from the topic`);
  findings.push(...(http?.lost(history.commands) ?? []));
  if (http?.accepted === 0)
    findings.push('The service accepted no command over HTTP, so nothing shows that it keeps them');
  findings.push(...unseenTypes(history).map((type) => `Nothing was answered with ${type}`));
  return [...findings, ...(await differences(history, flow, brokers, mustAbort))];
}

/**
 * Writes an event in a transaction, and aborts it. The faults of a campaign may leave no aborted
 * records, because the service repeats its requests rather than abort.
 */
async function abortTransaction({ kafka, topics, run }: CommandFlow): Promise<void> {
  const producer = kafka.producer({
    transactionalId: `aborted-${run}`,
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  try {
    const transaction = await producer.transaction();
    await transaction.send({ topic: topics.events, messages: [{ key: 'aborted', value: '{}' }] });
    await transaction.abort();
  } finally {
    await producer.disconnect();
  }
}

async function differences(
  { events }: History,
  { kafka, topics }: CommandFlow,
  brokers: string,
  mustAbort: boolean,
): Promise<readonly string[]> {
  const { records: inJava, aborted } = await readTopicInJava(brokers, topics.events);
  const asText = ({ partition, offset, key, contentHash }: Omit<JavaRecord, 'id'>) =>
    `${partition}/${offset} ${key} ${contentHash}`;
  const byText = (records: readonly TopicRecord[]) =>
    new Map(
      records.map((event) => [
        asText({ ...event, key: String(event.key), contentHash: contentHash(event) }),
        event,
      ]),
    );
  const here = byText(events);
  const there = new Set(inJava.map(asText));
  const unseen = [...here].filter(([event]) => !there.has(event));
  // A second reading tells whether the log has the record so, or only one reading had.
  const readAgain =
    unseen.length === 0
      ? new Map<string, TopicRecord>()
      : byText(await readTopic(kafka, topics.events));
  return [
    ...(mustAbort && aborted === 0
      ? ['No transaction was aborted, so nothing shows that readers skip aborted records']
      : []),
    ...unseen.map(
      ([event, { headers, value }]) =>
        `Kafka's own client does not see the event ${event}, and a second reading ` +
        `${readAgain.has(event) ? 'does' : 'does not'}: ` +
        JSON.stringify({ headers, value: String(value) }),
    ),
    ...[...there]
      .filter((event) => !here.has(event))
      .map((event) => `Only Kafka's own client sees the event ${event}`),
  ];
}
