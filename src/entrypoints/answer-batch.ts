import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Event } from '../domain/events.ts';
import { passing } from '../fault-points.ts';
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
export async function readRecords(records: readonly ReceivedRecord[]): Promise<readonly ReadRecord[]> {
  const read: ReadRecord[] = [];
  for (const record of records) {
    read.push({ record, incoming: readCommand(record, placeOf(record)) });
    if (read.length % STRETCH === 0) await nextTurn();
  }
  return read;
}

/**
 * Answers every record, in order, within the lane's transaction: a command goes to the bus once per id, whatever
 * cannot be read, or be handled, goes to the dead letters. While the database writes what the aggregates have become, the
 * answers are encoded.
 * @returns the progress to commit; each record's answer is in its outbox records
 */
export async function answerBatch(batch: Batch, transaction: LaneTransaction, answering: Answering): Promise<LaneProgress> {
  const { records, position, publishedBelowOffset } = batch;
  const answers = batch.failure ? records.map((read) => ({ ...read, events: null })) : await handle(records, transaction, answering.bus);
  passing('handled');
  const [, outbox] = await Promise.all([transaction.flush(), encode(answers, batch, answering)]);
  passing('aggregates-written');
  const nextOffset = (records.at(-1)?.record.offset ?? position.nextOffset - 1) + 1;
  return { next: { nextOffset, nextSequence: position.nextSequence + outbox.length }, outbox, publishedBelowOffset };
}

/** What came of a record. `events`: null for one that goes to the dead letters, and is not answered: sent again, it is handled. */
interface Answer extends ReadRecord {
  readonly events: readonly Event[] | null;
}

/** Step 3: each command that no transaction has answered before goes to the bus. */
async function handle(records: readonly ReadRecord[], transaction: LaneTransaction, bus: MessageBus): Promise<readonly Answer[]> {
  const commands = records.flatMap(({ incoming }) => (incoming.kind === 'command' ? [incoming] : []));
  const [claimed] = await Promise.all([
    transaction.claim(commands.map(({ id }) => id)),
    transaction.prepare(commands.map(({ command }) => command)),
  ]);
  passing('loaded');
  const unanswered = new Set(claimed);
  const answers: Answer[] = [];
  for (const { record, incoming } of records) {
    if (incoming.kind === 'unreadable') answers.push({ record, incoming, events: null });
    else if (unanswered.delete(incoming.id)) {
      answers.push({ record, incoming, events: await bus.handle(incoming.command, transaction) });
    }
  }
  return answers;
}

/** Step 4: what the world is told. */
async function encode(
  answers: readonly Answer[],
  { failure, position, deadLetterMaxBytes }: Batch,
  { clock, eventsTopic, deadLettersTopic }: Answering,
): Promise<readonly OutboxRecord[]> {
  const outbox: OutboxRecord[] = [];
  const time = clock().toISOString();
  for (const [index, { record, incoming, events }] of answers.entries()) {
    const put = (topic: string, { key, value, headers }: LogRecord) =>
      outbox.push({ topic, key, value, headers, sequence: position.nextSequence + outbox.length, sourceOffset: record.offset });
    if (incoming.kind === 'unreadable' || events === null) {
      const { reason, message } = incoming.kind === 'unreadable' ? incoming : { reason: 'handler-failed' as const, message: '' };
      const why = { reason, message: failure?.message ?? message, attempts: failure?.attempts ?? 1, failedAt: time };
      put(deadLettersTopic, encodeDeadLetter(record, why, deadLetterMaxBytes));
    } else {
      const { topic, partition, offset } = record;
      const { id: commandId, correlationId, traceparent, command } = incoming;
      const answer = { topic, partition, offset, commandId, correlationId, traceparent, command, events, time };
      for (const event of encodeAnswer(answer)) put(eventsTopic, event);
    }
    if (index % STRETCH === STRETCH - 1) await nextTurn();
  }
  return outbox;
}

/** So many records at a stretch, a millisecond or so: then sockets, timers and the other lanes have their turn. */
const STRETCH = 250;
