import { TooManyLinesError } from '../domain/batch.ts';
import type { Command } from '../domain/commands.ts';
import { AllocationError } from '../domain/errors.ts';
import type { Event, RejectionReason } from '../domain/events.ts';
import { subjectsNamedBy } from '../domain/subjects.ts';
import { reachFaultPoint } from '../fault-points.ts';
import type { IncomingCommand } from '../messages/read-command.ts';
import { TooMuchAtOnceError, TroubleError } from '../service-layer/errors.ts';
import type { LaneProgress, LaneTransaction } from '../service-layer/lane-store.ts';
import type { MessageBus } from '../service-layer/message-bus.ts';
import type { CommandSource } from '../service-layer/notifications.ts';
import { Parking, subjectsOf } from '../service-layer/parking.ts';
import type { ReceivedRecord } from '../service-layer/records.ts';
import { estimateAnswerBytes } from './answer-bytes.ts';
import type { AnswerContext, DeliveryPart, RecordAnswer } from './answer-context.ts';
import { type AnswerTally, tallyAnswers } from './answer-tally.ts';
import { encodeAnswers } from './encode-answers.ts';
import type { CommandRecord } from './read-delivery.ts';

/**
 * A command would be rejected as unknown too early: another lane may have accepted what the command
 * names, and not decided yet. The transaction must leave nothing behind.
 */
export class UnsettledError extends AllocationError {
  override readonly code = 'unsettled';
  /** The command's place among the records of the part. */
  readonly index: number;

  constructor(index: number) {
    super('The command names what other lanes may be about to create');
    this.index = index;
  }
}

/**
 * Answers every record, in order, within the lane's transaction. The bus handles each command once,
 * by its identity. A record becomes a dead letter if nobody can read it, if its handler failed, or
 * if it is too large for one transaction. The answers are encoded while the database writes the
 * aggregates.
 * @returns the progress to commit, and its tally. Its outbox records are the answers.
 * @throws {UnsettledError} a command that is not settled would be rejected as unknown
 * @throws {TooMuchAtOnceError} several commands are too much together for one transaction
 */
export async function answerDelivery(
  part: DeliveryPart,
  transaction: LaneTransaction,
  answerContext: AnswerContext,
): Promise<LaneProgress & { readonly tally: AnswerTally }> {
  const { lane, records, position, publishedBelowOffset } = part;
  const answers = await (part.failure
    ? parkFailed(records, transaction, answerContext)
    : handle(part, transaction, answerContext));
  reachFaultPoint('handled');
  const nextOffset = (records.at(-1)?.record.offset ?? position.nextOffset - 1) + 1;
  const [, outbox] = await Promise.all([
    transaction.flush({ ...lane, nextOffset }),
    encodeAnswers(part.trace?.propagate(answers) ?? answers, part, answerContext),
  ]);
  part.trace?.startCommit();
  reachFaultPoint('aggregates-written');
  // These decisions rest on earlier decisions of other lanes about the same products.
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
  const tally = tallyAnswers(records, answers);
  return { next, outbox, publishedBelowOffset, restsOn, tally };
}

/**
 * Handles each command that no transaction has answered before: step 3 of a message's way. A
 * command that must not overtake a failed one is parked.
 */
async function handle(
  { records, settledBelowOffset, maxAnswerBytes, trace }: DeliveryPart,
  transaction: LaneTransaction,
  { bus: untracedBus, parkingLimits }: AnswerContext,
): Promise<readonly RecordAnswer[]> {
  const commands = records.flatMap(({ incoming }) =>
    incoming.kind === 'command' ? [incoming] : [],
  );
  const [claimed, parked] = await Promise.all([
    transaction.claim(commands.map(({ identity }) => identity)),
    transaction.readParked(commands, false),
    transaction.prepare(commands.map(({ command }) => command)),
  ]);
  reachFaultPoint('loaded');
  const bus = trace?.busOver(untracedBus) ?? untracedBus;
  const parking = new Parking(parked, parkingLimits);
  const unanswered = new Set(claimed);
  const answers: RecordAnswer[] = [];
  let bytes = 0;
  const put = (answer: RecordAnswer) => {
    answers.push(answer);
    bytes += estimateAnswerBytes(answer);
    if (bytes > maxAnswerBytes && answers.length > 1)
      throw new TooMuchAtOnceError(`about ${bytes} bytes of answers in one transaction`);
  };
  for (const [index, { record, incoming }] of records.entries()) {
    if (incoming.kind === 'unreadable') {
      put({ record, incoming, events: null, parked: null });
      continue;
    }
    if (!unanswered.delete(incoming.identity)) {
      // If an earlier transaction answered the command, nothing may stay parked behind it.
      if (!claimed.has(incoming.identity)) parking.markAnswered(incoming.identity);
      continue;
    }
    const answer = await handleCommand(record, incoming, transaction, bus, parking);
    if (record.offset >= settledBelowOffset && answer.events?.some(namesUnknown))
      throw new UnsettledError(index);
    put(answer);
  }
  const changes = parking.changes();
  if (changes.parked.length + changes.gone.length + changes.unanswered.length > 0)
    await transaction.writeParked(changes);
  return answers;
}

/** Parks the command, refuses it, or lets the bus handle it. Notes in `parking` what was done. */
async function handleCommand(
  record: ReceivedRecord,
  incoming: IncomingCommand,
  transaction: LaneTransaction,
  bus: Pick<MessageBus, 'handle'>,
  parking: Parking,
): Promise<RecordAnswer> {
  const { identity, command } = incoming;
  const subjects = parking.isEmpty
    ? []
    : parking.withRelatedProducts(await subjectsOf(command, transaction.products));
  const behind = parking.failuresBefore(identity, subjects);
  if (behind.length > 0) {
    const parked = parking.park(identity, subjects, behind);
    return { record, incoming, events: null, parked };
  }
  const source = sourceOf(record, incoming);
  const events = await bus.handle(command, transaction, source).catch(refusalOf);
  if (typeof events === 'string') {
    parking.markRefused(identity);
    return { record, incoming, events: null, parked: null, refusal: events };
  }
  parking.markAnswered(identity);
  return { record, incoming, events, parked: null };
}

function sourceOf(
  { topic, partition, offset }: ReceivedRecord,
  { id: commandId, traceparent }: IncomingCommand,
): CommandSource {
  return { topic, partition, offset, commandId, traceparent };
}

function refusalOf(error: unknown): string {
  if (error instanceof TooManyLinesError) return error.message;
  throw error;
}

/** Whether the command names something unknown, which a command of another lane may create. */
const NAMES_UNKNOWN: Readonly<Record<RejectionReason, boolean>> = {
  'unknown-sku': true,
  'unknown-batch': true,
  'unknown-order': true,
  'batch-differs': false,
  'line-differs': false,
};

function namesUnknown(event: Event): boolean {
  return event.type === 'CommandRejected' && NAMES_UNKNOWN[event.reason];
}

/**
 * Parks a command on which a handler failed for good, instead of step 3. Later commands about the
 * same subjects are parked behind it.
 */
async function parkFailed(
  [failed]: readonly CommandRecord[],
  transaction: LaneTransaction,
  { parkingLimits }: AnswerContext,
): Promise<readonly RecordAnswer[]> {
  if (!failed) return [];
  if (failed.incoming.kind !== 'command') return [{ ...failed, events: null, parked: null }];
  const { identity, command } = failed.incoming;
  const [claimed, others] = await Promise.all([
    transaction.claim([identity]),
    transaction.readParked([failed.incoming], true),
  ]);
  // Another lane has answered the same command since.
  if (!claimed.has(identity)) return [];
  const parking = new Parking(others, parkingLimits);
  const subjects = parking.withRelatedProducts(await subjectsOfFailed(command, transaction));
  const parked = parking.park(identity, subjects, []);
  reachFaultPoint('failure-claimed');
  await transaction.writeParked(parking.changes());
  return [{ ...failed, events: null, parked }];
}

async function subjectsOfFailed(command: Command, transaction: LaneTransaction) {
  try {
    // Without `prepare`, the repository would load each product with all its lines.
    await transaction.prepare([command]);
    return await subjectsOf(command, transaction.products);
  } catch (error) {
    if (error instanceof TroubleError) throw error;
    // The stored data may be why the handler failed. The subjects that the command names must do.
    return subjectsNamedBy(command);
  }
}
