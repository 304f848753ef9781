import type { Command } from '../domain/commands.ts';
import { encodeDeadLetter } from '../messages/dead-letters.ts';
import { type IncomingCommand, readCommand, type UnreadableMessage } from '../messages/incoming.ts';
import { encodeAnswer } from '../messages/outgoing.ts';
import type { MessageBus } from '../service-layer/message-bus.ts';
import type {
  LanePosition,
  LaneProgress,
  LaneTransaction,
  LogRecord,
  OutboxRecord,
  ReceivedRecord,
} from '../service-layer/unit-of-work.ts';
import type { Metrics } from './metrics.ts';

/** What answering needs besides the records and the transaction. */
export interface Answering {
  readonly bus: MessageBus;
  readonly eventsTopic: string;
  readonly deadLettersTopic: string;
  readonly clock: () => Date;
  readonly metrics: Metrics;
}

/** The command on which a handler failed for good. */
export interface HandlerFailure {
  readonly message: string;
  readonly attempts: number;
}

/** A delivery as its lane sees it. */
export interface Batch {
  readonly records: readonly ReadRecord[];
  readonly position: LanePosition;
  readonly publishedBelowOffset: number;
  readonly deadLetterMaxBytes: number;
  /** Set when the batch is one command on which a handler failed for good. */
  readonly failure: HandlerFailure | null;
}

interface ReadRecord {
  readonly record: ReceivedRecord;
  readonly incoming: IncomingCommand | UnreadableMessage;
}

/** The id of a command that brings none: the place of its record. */
export function placeOf({ topic, partition, offset }: ReceivedRecord): string {
  return `${topic}/${partition}/${offset}`;
}

/** Step 2 of a message's way: what the records say. */
export function readRecords(records: readonly ReceivedRecord[]): readonly ReadRecord[] {
  return records.map((record) => ({ record, incoming: readCommand(record, placeOf(record)) }));
}

/**
 * Answers every record, in order, within the lane's transaction: a command goes to the bus once per id, whatever
 * cannot be read, or be handled, goes to the dead letters.
 * @returns the progress to commit; each record's answer is in its outbox records
 */
export async function answerBatch(batch: Batch, transaction: LaneTransaction, answering: Answering): Promise<LaneProgress> {
  const { records, position, failure } = batch;
  // A command that goes to the dead letters is not answered: sent again, it is handled.
  const ids = failure ? [] : records.flatMap(({ incoming }) => (incoming.kind === 'command' ? [incoming.id] : []));
  const unanswered = new Set(await transaction.claim(ids));
  await transaction.prepare(commandsOf(records, unanswered));

  const outbox: OutboxRecord[] = [];
  let { nextOffset, nextSequence } = position;
  const time = answering.clock();
  const put = (topic: string, message: LogRecord, sourceOffset: number) => {
    outbox.push({ ...message, topic, sequence: nextSequence, sourceOffset });
    nextSequence += 1;
  };

  for (const { record, incoming } of records) {
    nextOffset = record.offset + 1;
    if (incoming.kind === 'unreadable' || failure) {
      const { reason, message } = incoming.kind === 'unreadable' ? incoming : { reason: 'handler-failed' as const, message: '' };
      const why = { reason, message: failure?.message ?? message, attempts: failure?.attempts ?? 1, failedAt: time };
      put(answering.deadLettersTopic, encodeDeadLetter(record, why, batch.deadLetterMaxBytes), record.offset);
      continue;
    }
    if (!unanswered.delete(incoming.id)) continue;
    const events = await answering.bus.handle(incoming.command, transaction);
    const { topic, partition, offset } = record;
    const { id: commandId, correlationId, traceparent, command } = incoming;
    for (const event of encodeAnswer({ topic, partition, offset, commandId, correlationId, traceparent, command, events, time })) {
      put(answering.eventsTopic, event, record.offset);
    }
  }
  return { next: { nextOffset, nextSequence }, outbox, publishedBelowOffset: batch.publishedBelowOffset };
}

function commandsOf(records: readonly ReadRecord[], ids: ReadonlySet<string>): readonly Command[] {
  return records.flatMap(({ incoming }) => (incoming.kind === 'command' && ids.has(incoming.id) ? [incoming.command] : []));
}
