import type {
  PastAnswer,
  PastBatch,
  PastCommand,
  PastCommands,
} from '../adapters/database/replay/past-commands.ts';
import { originalOf } from '../dead-letters/read-dead-letter.ts';
import { identityOf } from '../domain/identity.ts';
import { laneName, placeOf } from '../domain/place.ts';
import { type PublishedAnswer, readAnswer } from '../messages/read-answer.ts';
import { readCommand } from '../messages/read-command.ts';
import type { Broker, OffsetRange } from '../service-layer/broker.ts';
import type { ReceivedRecord } from '../service-layer/records.ts';
import { type Bounds, isWithin } from './bounds.ts';
import { ForeignRecords, type SkippedRecords } from './foreign-records.ts';
import type { RunControl } from './run-control.ts';

/** The part of each topic to read, and the range of the commands in question. */
export interface PastRanges extends Bounds {
  readonly commandsTopic: string;
  readonly eventsTopic: string;
  readonly deadLettersTopic: string;
  /** Each range ends at the group's committed offset: no later command has an answer yet. */
  readonly commands: readonly OffsetRange[];
  readonly events: readonly OffsetRange[];
  readonly deadLetters: readonly OffsetRange[];
  /** An operator has decided to skip records that others wrote into the events topic. */
  readonly skipForeign: boolean;
}

/** The result of reading the past. */
export interface PastRead {
  /** How many commands lie in the range in question. */
  readonly inRange: number;
  readonly foreign: SkippedRecords;
}

/**
 * Reads commands, answers and dead letters, and lays them aside in the scratch database.
 * @throws {ReplayRefusedError} a message in the events topic is foreign
 * @throws the signal's reason
 */
export async function readPast(
  broker: Broker,
  ranges: PastRanges,
  past: PastCommands,
  { advance, signal }: RunControl,
): Promise<PastRead> {
  const { commandsTopic, eventsTopic, deadLettersTopic } = ranges;
  const ends = new Map(ranges.commands.map(({ partition, end }) => [partition, end]));
  const isAnswerInRange = ({ source: { topic, partition, offset } }: PublishedAnswer) =>
    topic !== commandsTopic || offset < (ends.get(partition) ?? 0);
  const read = async (
    topic: string,
    from: readonly OffsetRange[],
    take: (records: readonly ReceivedRecord[]) => Promise<void>,
  ) => {
    const takeChunk = async ({ records }: { readonly records: readonly ReceivedRecord[] }) => {
      await take(records);
      await advance(records.length);
    };
    await broker.read(topic, from, takeChunk, signal);
  };
  const foreign = new ForeignRecords(ranges.skipForeign);
  let inRange = 0;
  await read(commandsTopic, ranges.commands, async (records) => {
    inRange += records.filter((record) => isWithin(record, ranges)).length;
    await past.addCommands(records.map(pastCommand));
  });
  await read(eventsTopic, ranges.events, async (records) => {
    const answers = records
      .flatMap((record) => ownAnswers(record, foreign))
      .filter(isAnswerInRange);
    await past.addAnswers(answers.map(pastAnswer), answers.flatMap(createdBatches));
  });
  // The markers in this topic name no original, and match no command.
  await read(deadLettersTopic, ranges.deadLetters, (records) =>
    past.addDeadLetters(records.map(originalOf)),
  );
  return { inRange, foreign: foreign.skipped };
}

function pastCommand(record: ReceivedRecord): PastCommand {
  const { offset, timestampMs } = record;
  const past = { lane: laneName(record), offset, timestampMs };
  const incoming = readCommand(record, placeOf(record));
  if (incoming.kind === 'unreadable') {
    return {
      ...past,
      identity: identityOf({ source: null, id: null }, placeOf(record)),
      command: null,
      reference: null,
    };
  }
  const { identity, command } = incoming;
  return {
    ...past,
    identity,
    command: JSON.stringify(command),
    reference: command.type === 'CreateBatch' ? command.reference : null,
  };
}

function ownAnswers(record: ReceivedRecord, foreign: ForeignRecords): readonly PublishedAnswer[] {
  const answer = readAnswer(record);
  if (answer.kind === 'answer') return [answer];
  foreign.take(record, answer);
  return [];
}

function pastAnswer({ source, identity, time, events }: PublishedAnswer): PastAnswer {
  return {
    lane: laneName(source),
    offset: source.offset,
    part: eventNumber(events[0]?.id ?? ''),
    identity,
    timeMs: Date.parse(time),
    events: JSON.stringify(events),
  };
}

/** Returns the event's number among the events of its command; 1 for an id without a number. */
function eventNumber(id: string): number {
  return Number(id.split('/')[3] ?? 1);
}

function createdBatches({ events }: PublishedAnswer): readonly PastBatch[] {
  return events.flatMap((event) =>
    event.type === 'BatchCreated'
      ? [{ reference: event.data.reference, sku: event.data.sku, sequence: event.sequence }]
      : [],
  );
}
