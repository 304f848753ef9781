import { setImmediate as nextTurn } from 'node:timers/promises';
import { type DeadLetter, encodeDeadLetter } from '../dead-letters/dead-letter-headers.ts';
import type { Event, RejectionReason } from '../domain/events.ts';
import { idOf } from '../domain/identity.ts';
import { TooManyLinesError } from '../domain/model.ts';
import { skusNamedBy, subjectsNamedBy } from '../domain/subjects.ts';
import { passing } from '../fault-points.ts';
import { type IncomingCommand, readCommand, type UnreadableMessage } from '../messages/incoming.ts';
import { encodeAnswer } from '../messages/outgoing.ts';
import { TooMuchAtOnceError, TroubleError } from '../service-layer/errors.ts';
import type {
  LanePosition,
  LaneProgress,
  LaneTransaction,
  OutboxRecord,
} from '../service-layer/lane-store.ts';
import type { MessageBus } from '../service-layer/message-bus.ts';
import type { ParkedCommand } from '../service-layer/parked-command.ts';
import { Parking, type ParkingLimits, skusOf, subjectsOf } from '../service-layer/parking.ts';
import type { LogRecord, Partition, ReceivedRecord } from '../service-layer/records.ts';
import type { Metrics } from './metrics.ts';

/** What answering needs besides the records and the transaction. */
export interface Answering {
  readonly bus: MessageBus;
  readonly eventsTopic: string;
  readonly deadLettersTopic: string;
  readonly parkingLimits: ParkingLimits;
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
  readonly lane: Partition;
  readonly records: readonly ReadRecord[];
  readonly position: LanePosition;
  readonly publishedBelowOffset: number;
  readonly deadLetterMaxBytes: number;
  /** The largest message that the events topic takes. */
  readonly eventMaxBytes: number;
  /** Set when the batch is one command on which a handler failed for good. */
  readonly failure: HandlerFailure | null;
  /**
   * Whatever was accepted before the records below this offset, in any lane, has been decided. So
   * these commands may be rejected as unknown.
   */
  readonly settledBelowOffset: number;
}

/**
 * A command would be rejected as unknown, though what it names may be among commands that were
 * accepted before it, in another lane. Nothing of the transaction may stay.
 */
export class UnsettledError extends Error {
  readonly code = 'unsettled';
  /** The command's place among the records of the batch. */
  readonly index: number;

  constructor(index: number) {
    super('The command names what other lanes may be about to make known');
    this.index = index;
  }
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
export async function readRecords(
  records: readonly ReceivedRecord[],
): Promise<readonly ReadRecord[]> {
  const read: ReadRecord[] = [];
  for (const record of records) {
    read.push({ record, incoming: readCommand(record, placeOf(record)) });
    if (read.length % STRETCH === 0) await nextTurn();
  }
  return read;
}

/** The products that the commands among the records name. */
export function productsNamedIn(records: readonly ReadRecord[]): ReadonlySet<string> {
  return new Set(
    records.flatMap(({ incoming }) =>
      incoming.kind === 'command' ? skusNamedBy(incoming.command) : [],
    ),
  );
}

/**
 * Answers every record, in order, within the lane's transaction: a command goes to the bus once, by its identity; whatever
 * cannot be read, or be handled, or is too large for one transaction, goes to the dead letters. While the database writes what the aggregates have become, the
 * answers are encoded.
 * @returns the progress to commit; each record's answer is in its outbox records
 * @throws {UnsettledError} a command that is not settled would be rejected as unknown
 * @throws {TooMuchAtOnceError} the commands are several, and too much for one transaction together
 */
export async function answerBatch(
  batch: Batch,
  transaction: LaneTransaction,
  answering: Answering,
): Promise<LaneProgress> {
  const { lane, records, position, publishedBelowOffset } = batch;
  const answers = await (batch.failure
    ? fail(records, transaction, answering)
    : handle(batch, transaction, answering));
  passing('handled');
  const nextOffset = (records.at(-1)?.record.offset ?? position.nextOffset - 1) + 1;
  const [, outbox] = await Promise.all([
    transaction.flush({ ...lane, nextOffset }),
    encode(answers, batch, answering),
  ]);
  passing('aggregates-written');
  // What was decided here rests on what other lanes decided before about the same products.
  const restsOn = transaction
    .writers()
    .filter(({ topic, partition }) => topic === lane.topic && partition !== lane.partition);
  const leaderEpoch = records.at(-1)?.record.leaderEpoch;
  const next = {
    ...position,
    nextOffset,
    nextSequence: position.nextSequence + outbox.length,
    ...(leaderEpoch !== undefined && { leaderEpoch }),
  };
  return { next, outbox, publishedBelowOffset, restsOn };
}

/** What came of a record. `events`: null for one that goes to the dead letters, and is not answered: sent again, it is handled. */
interface Answer extends ReadRecord {
  readonly events: readonly Event[] | null;
  /** Set when it failed, or waits behind one that did. */
  readonly parked: ParkedCommand | null;
  /** Why the command is refused: it would do more than one transaction may. */
  readonly refusal?: string;
}

/** Step 3: each command that no transaction has answered before goes to the bus, unless one that it must not overtake has failed. */
async function handle(
  { records, settledBelowOffset }: Batch,
  transaction: LaneTransaction,
  { bus, parkingLimits }: Answering,
): Promise<readonly Answer[]> {
  const commands = records.flatMap(({ incoming }) =>
    incoming.kind === 'command' ? [incoming] : [],
  );
  const [claimed, parked] = await Promise.all([
    transaction.claim(commands.map(({ identity }) => identity)),
    transaction.readParked(commands, false),
    transaction.prepare(commands.map(({ command }) => command)),
  ]);
  passing('loaded');
  const parking = new Parking(parked, parkingLimits);
  const unanswered = new Set(claimed);
  const answers: Answer[] = [];
  let eventCount = 0;
  for (const [index, { record, incoming }] of records.entries()) {
    if (incoming.kind === 'unreadable')
      answers.push({ record, incoming, events: null, parked: null });
    else if (unanswered.delete(incoming.identity)) {
      const { identity, command } = incoming;
      const subjects = parking.isEmpty
        ? []
        : parking.widened(await subjectsOf(command, transaction.products));
      const behind = parking.before(identity, subjects);
      if (behind.length > 0)
        answers.push({
          record,
          incoming,
          events: null,
          parked: parking.park(identity, subjects, behind),
        });
      else {
        const events = await bus.handle(command, transaction).catch(refusalIn);
        if (typeof events === 'string') {
          answers.push({ record, incoming, events: null, parked: null, refusal: events });
          parking.refused(identity);
          continue;
        }
        if (record.offset >= settledBelowOffset && events.some(isUnknown))
          throw new UnsettledError(index);
        answers.push({ record, incoming, events, parked: null });
        parking.answered(identity);
        eventCount += events.length;
        if (eventCount > MAX_EVENTS && answers.length > 1)
          throw new TooMuchAtOnceError(`${eventCount} events in one transaction`);
      }
    } else if (!claimed.has(incoming.identity)) {
      // Answered before this transaction: nothing may stay parked behind it.
      parking.answered(incoming.identity);
    }
  }
  const changes = parking.changes();
  if (changes.parked.length + changes.gone.length + changes.unanswered.length > 0)
    await transaction.writeParked(changes);
  return answers;
}

/** What several commands may lead to in one transaction; one alone may lead to more. */
const MAX_EVENTS = 50_000;

function refusalIn(error: unknown): string {
  if (error instanceof TooManyLinesError) return error.message;
  throw error;
}

/** Whether the command names what nobody has heard of so far: a command of another lane may make it known. */
const NAMES_UNKNOWN: Readonly<Record<RejectionReason, boolean>> = {
  'unknown-sku': true,
  'unknown-batch': true,
  'unknown-order': true,
  'batch-differs': false,
  'line-differs': false,
};

function isUnknown(event: Event): boolean {
  return event.type === 'CommandRejected' && NAMES_UNKNOWN[event.reason];
}

/** Instead of step 3: a handler has failed on the command for good. What comes after it about the same subjects will be parked. */
async function fail(
  [read]: readonly ReadRecord[],
  transaction: LaneTransaction,
  { parkingLimits }: Answering,
): Promise<readonly Answer[]> {
  if (read?.incoming.kind !== 'command')
    return read ? [{ ...read, events: null, parked: null }] : [];
  const { identity, command } = read.incoming;
  const [claimed, parked] = await Promise.all([
    transaction.claim([identity]),
    transaction.readParked([read.incoming], true),
  ]);
  // The same command came through another lane too, and was answered there since.
  if (!claimed.has(identity)) return [];
  const parking = new Parking(parked, parkingLimits);
  // Prepared, no more of the products is loaded than the command names.
  const prepared = transaction
    .prepare([command])
    .then(() => subjectsOf(command, transaction.products));
  const subjects = await prepared.catch((error) => {
    if (error instanceof TroubleError) throw error;
    // What the handler failed on may be what is stored: the command's own words must do.
    return subjectsNamedBy(command);
  });
  const failed = parking.park(identity, parking.widened(subjects), []);
  passing('failure-claimed');
  await transaction.writeParked(parking.changes());
  return [{ ...read, events: null, parked: failed }];
}

/** Step 4: what the world is told. */
async function encode(
  answers: readonly Answer[],
  { failure, position, deadLetterMaxBytes, eventMaxBytes }: Batch,
  { clock, eventsTopic, deadLettersTopic }: Answering,
): Promise<readonly OutboxRecord[]> {
  const outbox: OutboxRecord[] = [];
  const time = clock().toISOString();
  for (const [index, { record, incoming, events, parked, refusal }] of answers.entries()) {
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
      const why = {
        ...whyDead(incoming, parked, failure, refusal),
        failedAt: time,
        parked: parked && { ...parked, skus: skusOf(parked) },
      };
      put(deadLettersTopic, encodeDeadLetter(record, why, deadLetterMaxBytes));
    } else {
      const { topic, partition, offset } = record;
      const { identity, correlationId, traceparent, command } = incoming;
      const answer = {
        topic,
        partition,
        offset,
        identity,
        correlationId,
        traceparent,
        command,
        events,
        time,
      };
      for (const event of encodeAnswer(answer, eventMaxBytes)) put(eventsTopic, event);
    }
    if (index % STRETCH === STRETCH - 1) await nextTurn();
  }
  return outbox;
}

function whyDead(
  incoming: ReadRecord['incoming'],
  parked: ParkedCommand | null,
  failure: HandlerFailure | null,
  refusal?: string,
): Pick<DeadLetter, 'reason' | 'message' | 'attempts'> {
  if (incoming.kind === 'unreadable')
    return { reason: incoming.reason, message: incoming.message, attempts: 1 };
  if (refusal !== undefined) return { reason: 'too-large', message: refusal, attempts: 1 };
  if (failure || !parked)
    return {
      reason: 'handler-failed',
      message: failure?.message ?? '',
      attempts: failure?.attempts ?? 1,
    };
  return {
    reason: 'parked-behind',
    message: `It waits behind ${parked.behind.map(idOf).join(', ')}, which failed`,
    attempts: 0,
  };
}

/** So many records at a stretch, a millisecond or so: then sockets, timers and the other lanes have their turn. */
const STRETCH = 250;
