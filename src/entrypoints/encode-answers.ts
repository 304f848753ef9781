import { setImmediate as nextTurn } from 'node:timers/promises';
import { type DeadLetterCause, encodeDeadLetter } from '../dead-letters/encode-dead-letter.ts';
import type { Event } from '../domain/events.ts';
import { idOf } from '../domain/identity.ts';
import { encodeAnswer } from '../messages/encode-answer.ts';
import type { IncomingCommand } from '../messages/read-command.ts';
import type { AnswerRecord } from '../service-layer/lane-store.ts';
import type { ParkedCommand } from '../service-layer/parked-command.ts';
import { skusOf } from '../service-layer/parking.ts';
import type { LogRecord, ReceivedRecord } from '../service-layer/records.ts';
import type {
  AnswerContext,
  DeliveryPart,
  HandlerFailure,
  RecordAnswer,
} from './answer-context.ts';
import { type CommandRecord, STRETCH_RECORDS } from './read-delivery.ts';

/** Encodes the answers as events and dead letters: step 5 of a message's way. */
export async function encodeAnswers(
  answers: readonly RecordAnswer[],
  { failure, position, deadLetterMaxBytes, eventMaxBytes }: DeliveryPart,
  { clock, eventsTopic, deadLettersTopic }: AnswerContext,
): Promise<readonly AnswerRecord[]> {
  const outbox: AnswerRecord[] = [];
  const time = clock().toISOString();
  for (const [index, answer] of answers.entries()) {
    const { record, incoming, events } = answer;
    const put = (topic: string, { key, value, headers }: LogRecord) =>
      outbox.push({
        topic,
        key,
        value,
        headers,
        sequence: position.nextSequence + outbox.length,
        sourceOffset: record.offset,
      });
    if (incoming.kind === 'unreadable' || events === null) {
      put(deadLettersTopic, deadLetterOf(answer, failure, time, deadLetterMaxBytes));
    } else {
      const messages = eventsOf(record, incoming, events, time, eventMaxBytes);
      for (const event of messages) put(eventsTopic, event);
    }
    if (index % STRETCH_RECORDS === STRETCH_RECORDS - 1) await nextTurn();
  }
  return outbox;
}

function eventsOf(
  { topic, partition, offset }: ReceivedRecord,
  { identity, correlationId, traceparent, tracestate, command }: IncomingCommand,
  events: readonly Event[],
  time: string,
  maxBytes: number,
): Iterable<LogRecord> {
  const source = { topic, partition, offset, identity, correlationId, traceparent, tracestate };
  return encodeAnswer({ ...source, command, events, time }, maxBytes);
}

function deadLetterOf(
  { record, incoming, parked, refusal }: RecordAnswer,
  failure: HandlerFailure | null,
  failedAt: string,
  maxBytes: number,
): LogRecord {
  const cause = {
    ...reasonOf(incoming, parked, failure, refusal),
    failedAt,
    parked: parked && { ...parked, skus: skusOf(parked) },
  };
  return encodeDeadLetter(record, cause, maxBytes);
}

function reasonOf(
  incoming: CommandRecord['incoming'],
  parked: ParkedCommand | null,
  failure: HandlerFailure | null,
  refusal?: string,
): Pick<DeadLetterCause, 'reason' | 'message' | 'attempts'> {
  if (incoming.kind === 'unreadable')
    return { reason: incoming.reason, message: incoming.message, attempts: 1 };
  if (refusal !== undefined) return { reason: 'too-large', message: refusal, attempts: 1 };
  if (failure || !parked) {
    const { message = '', attempts = 1 } = failure ?? {};
    return { reason: 'handler-failed', message, attempts };
  }
  const failed = parked.behind.map(idOf).join(', ');
  return {
    reason: 'parked-behind',
    message: `The command waits behind ${failed}, which failed`,
    attempts: 0,
  };
}
