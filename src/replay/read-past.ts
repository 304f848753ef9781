import type {
  PastAnswer,
  PastBatch,
  PastCommand,
  PastCommands,
} from '../adapters/database/replay/past-commands.ts';
import { originalOf } from '../dead-letters/dead-letter-box.ts';
import { identityOf } from '../domain/identity.ts';
import { readCommand } from '../messages/incoming.ts';
import { type PublishedAnswer, readPublished } from '../messages/published.ts';
import type { Broker, OffsetRange } from '../service-layer/broker.ts';
import type { ReceivedRecord } from '../service-layer/records.ts';
import { ForeignRecords, type SkippedRecords } from './foreign-records.ts';
import { isWithin, type Place } from './place.ts';
import type { Watch } from './rebuild.ts';

/** The parts of the topics that tell what happened. */
export interface PastRanges {
  readonly commandsTopic: string;
  readonly eventsTopic: string;
  readonly deadLettersTopic: string;
  /** Up to where the group stands: what lies beyond has no answer yet. */
  readonly commands: readonly OffsetRange[];
  readonly events: readonly OffsetRange[];
  readonly deadLetters: readonly OffsetRange[];
  /** Of the commands that are asked for; null: the first. */
  readonly from: Place | null;
  /** Exclusive; null: the last. */
  readonly to: Place | null;
  /** Whether an operator has decided to skip records that others wrote into the events topic. */
  readonly skipForeign: boolean;
}

/** What was laid aside. */
export interface PastRead {
  /** How many commands are asked for. */
  readonly asked: number;
  readonly foreign: SkippedRecords;
}

/**
 * Lays aside what the topics say of the past.
 * @throws {ReplayRefusedError} a message in the events topic is foreign
 * @throws what the signal was aborted with
 */
export async function readPast(
  broker: Broker,
  ranges: PastRanges,
  past: PastCommands,
  watch: Watch,
): Promise<PastRead> {
  const { commandsTopic, eventsTopic, deadLettersTopic } = ranges;
  const ends = new Map(
    ranges.commands.map(({ partition, end }) => [`${commandsTopic}/${partition}`, end]),
  );
  const read = async (
    topic: string,
    from: readonly OffsetRange[],
    take: (records: readonly ReceivedRecord[]) => Promise<void>,
  ) => {
    const taken = async ({ records }: { readonly records: readonly ReceivedRecord[] }) => {
      await take(records);
      await watch.advance(records.length);
    };
    await broker.read(topic, from, taken, watch.signal);
  };
  const foreign = new ForeignRecords(ranges.skipForeign);
  let asked = 0;
  await read(commandsTopic, ranges.commands, async (records) => {
    asked += records.filter((record) => isWithin(record, ranges)).length;
    await past.addCommands(records.map(pastCommand));
  });
  await read(eventsTopic, ranges.events, async (records) => {
    const answers = records
      .flatMap((record) => readAnswer(record, foreign))
      .filter(({ source }) => {
        const lane = `${source.topic}/${source.partition}`;
        return source.topic !== commandsTopic || source.offset < (ends.get(lane) ?? 0);
      });
    await past.addAnswers(answers.map(pastAnswer), answers.flatMap(createdBatches));
  });
  // What was done with a letter later lies there too, and names no place.
  await read(deadLettersTopic, ranges.deadLetters, (records) =>
    past.addDeadLetters(records.map(originalOf)),
  );
  return { asked, foreign: foreign.skipped };
}

function pastCommand(record: ReceivedRecord): PastCommand {
  const { topic, partition, offset, timestampMs } = record;
  const lane = `${topic}/${partition}`;
  const place = { lane, offset, timestampMs };
  const incoming = readCommand(record, `${lane}/${offset}`);
  if (incoming.kind === 'unreadable') {
    return {
      ...place,
      identity: identityOf({ source: null, id: null }, `${lane}/${offset}`),
      command: null,
      reference: null,
    };
  }
  const { identity, command } = incoming;
  return {
    ...place,
    identity,
    command: JSON.stringify(command),
    reference: command.type === 'CreateBatch' ? command.reference : null,
  };
}

function readAnswer(record: ReceivedRecord, foreign: ForeignRecords): readonly PublishedAnswer[] {
  const answer = readPublished(record);
  if (answer.kind === 'answer') return [answer];
  foreign.take(record, answer);
  return [];
}

function pastAnswer({ source, identity, time, events }: PublishedAnswer): PastAnswer {
  const { topic, partition, offset } = source;
  const lane = `${topic}/${partition}`;
  return {
    lane,
    offset,
    part: numberOf(events[0]?.id ?? ''),
    identity,
    timeMs: Date.parse(time),
    events: JSON.stringify(events),
  };
}

/** Of an event among those of one command; a single one has none. */
function numberOf(id: string): number {
  return Number(id.split('/')[3] ?? 1);
}

function createdBatches({ events }: PublishedAnswer): readonly PastBatch[] {
  return events.flatMap((event) =>
    event.type === 'BatchCreated'
      ? [{ reference: event.data.reference, sku: event.data.sku, sequence: event.sequence }]
      : [],
  );
}
