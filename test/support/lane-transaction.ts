import type { Database } from '../../src/adapters/database/database.ts';
import { SqlLaneStore } from '../../src/adapters/database/lanes/sql-lane-store.ts';
import type { AnswerContext, HandlerFailure } from '../../src/entrypoints/answer-context.ts';
import { answerDelivery } from '../../src/entrypoints/answer-delivery.ts';
import { readRecords } from '../../src/entrypoints/read-delivery.ts';
import type { OutboxRecord } from '../../src/service-layer/lane-store.ts';
import type { Headers } from '../../src/service-layer/records.ts';

interface Message {
  readonly partition?: number;
  /** The value before it becomes JSON. */
  readonly body: object;
  readonly headers?: Headers;
}

interface Circumstances {
  /** Absent: the handler has not failed. */
  readonly failure?: HandlerFailure | null;
  /** The transaction commits when this resolves. */
  readonly beforeCommit?: () => Promise<void>;
}

/**
 * Answers one message of the topic `commands` in one transaction, at the position of its lane.
 * @returns the answers, as the outbox has them
 */
export async function answerInLane(
  database: Database,
  answerContext: AnswerContext,
  { partition = 0, body, headers = {} }: Message,
  { failure = null, beforeCommit = async () => {} }: Circumstances = {},
): Promise<readonly OutboxRecord[]> {
  const store = new SqlLaneStore(database, () => {});
  const lane = { topic: 'commands', partition };
  const position = await store.readPosition(lane);
  const value = Buffer.from(JSON.stringify(body));
  const record = { ...lane, offset: position.nextOffset, timestampMs: 0, key: null };
  const part = {
    lane,
    records: await readRecords([{ ...record, value, headers }], answerContext.strictCommands),
    position,
    publishedBelowOffset: 0,
    deadLetterMaxBytes: 1_000_000,
    eventMaxBytes: 1_000_000,
    failure,
    settledBelowOffset: Number.POSITIVE_INFINITY,
    maxAnswerBytes: Number.POSITIVE_INFINITY,
  };
  const { outbox } = await store.transaction(lane, position, async (transaction) => {
    const progress = await answerDelivery(part, transaction, answerContext);
    await beforeCommit();
    return progress;
  });
  return outbox;
}

/** Returns the topic of each answer, or the reason of a dead letter. */
export function outcomesOf(outbox: readonly OutboxRecord[]): readonly string[] {
  return outbox.map(({ topic, headers }) => String(headers['dead-letter-reason'] ?? topic));
}
