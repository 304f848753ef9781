import { isDeepStrictEqual } from 'node:util';
import { Fates, isMarker } from '../dead-letters/markers.ts';
import { envelopeOf } from '../dead-letters/message-envelope.ts';
import { headOf, originalOf } from '../dead-letters/read-dead-letter.ts';
import { placeOf } from '../domain/place.ts';
import { type CommandPlace, readAnswerPlace } from '../messages/answer-place.ts';
import type { Envelope } from '../messages/cloud-events.ts';
import { structuredEventsOf } from '../messages/structured-events.ts';
import type { Broker } from '../service-layer/broker.ts';
import type { ReceivedRecord } from '../service-layer/records.ts';
import { Turns } from '../turns.ts';
import { type CommandName, findCommands } from './command-search.ts';
import {
  type AnsweredCommand,
  adviceFor,
  answeredWith,
  type CommandStatus,
} from './command-status.ts';
import { findAnswerRecords } from './lane-order-search.ts';
import { readUntil } from './read-until.ts';

/** How many searches read topics at once. The others wait. */
const MAX_SEARCHES = 4;
/** How many messages with one id a search looks at: repeats, and commands that were redriven. */
const MAX_MESSAGES = 10;
/** How far behind a letter a search looks for its marker, in offsets. */
const MARKER_DISTANCE_OFFSETS = 50_000;
const PLACE = /^([^/]+)\/(0|[1-9]\d{0,9})\/(0|[1-9]\d{0,14})$/;

export interface CommandStatusesOptions {
  readonly broker: Pick<Broker, 'read' | 'offsetRanges' | 'committedOffsets'>;
  readonly group: string;
  readonly commandsTopic: string;
  readonly eventsTopic: string;
  readonly deadLettersTopic: string;
}

/**
 * Finds out what has become of a command by reading the topics. So every instance can answer, and
 * nothing is stored for this. A command has a status as long as the topics keep its answer.
 *
 * Methods reject with `TroubleError` if the log cannot be reached, or a search reads too much.
 */
export class CommandStatuses {
  readonly #options: CommandStatusesOptions;
  readonly #turns = new Turns(MAX_SEARCHES);

  constructor(options: CommandStatusesOptions) {
    this.#options = options;
  }

  /** Returns the place that a text names; null: the text is not a place of the commands topic. */
  placeIn(text: string): CommandPlace | null {
    const [, topic, partition, offset] = PLACE.exec(text) ?? [];
    if (topic !== this.#options.commandsTopic) return null;
    return { topic, partition: Number(partition), offset: Number(offset) };
  }

  /** Finds the status of the command at a place. Null: no command is known there. */
  findAt(place: CommandPlace): Promise<CommandStatus | null> {
    return this.#turns.take(() => this.#findAt(place));
  }

  /**
   * Finds the status of the newest command with this name, among the newest
   * `MAX_SEARCHED_OFFSETS` offsets of each partition. Null: there is none.
   */
  async findByName(name: CommandName): Promise<CommandStatus | null> {
    return this.#turns.take(() => this.#findByName(name, null));
  }

  async #findAt(place: CommandPlace): Promise<CommandStatus | null> {
    const record = await this.#readCommand(place);
    const status = await this.#statusAt(place, record);
    if (record === null || !isSilent(status)) return status;
    const envelope = envelopeOf(record);
    if (!envelope?.id) return status;
    const earlier = await this.#findByName({ id: envelope.id, source: envelope.source }, record);
    if (earlier?.status !== 'answered' || earlier.events.length === 0) return status;
    const first = await this.#readCommand(earlier);
    const differs = first !== null && !isAlike(envelopeOf(first), envelope);
    const repeats = placeOf(earlier);
    return { ...answeredWith(status, earlier.events), repeats, ...(differs && { differs }) };
  }

  /** @param limit search only the messages that came before this one; null: search all */
  async #findByName(
    name: CommandName,
    limit: ReceivedRecord | null,
  ): Promise<CommandStatus | null> {
    const { broker, commandsTopic } = this.#options;
    let newest: CommandStatus | null = null;
    let count = 0;
    for await (const record of findCommands(broker, commandsTopic, name)) {
      if (limit !== null && !isBefore(record, limit)) continue;
      if (count++ === MAX_MESSAGES) break;
      const status = await this.#statusAt(record, record);
      newest ??= status;
      // A repeat has no answer of its own. Look at the message that it repeats.
      if (status !== null && !isSilent(status)) return status;
    }
    return newest;
  }

  /** @param record the message at the place; null: the topic no longer has a message there */
  async #statusAt(
    place: CommandPlace,
    record: ReceivedRecord | null,
  ): Promise<CommandStatus | null> {
    const { topic, partition, offset } = place;
    const { broker, group, commandsTopic } = this.#options;
    const envelope = record && envelopeOf(record);
    const known = { id: envelope?.id ?? placeOf(place), topic, partition, offset };
    const committed = await broker.committedOffsets(group, commandsTopic);
    if ((committed[partition] ?? 0) <= offset)
      return record === null ? null : { ...known, status: 'pending' };
    const events = await this.#eventsAt(place);
    if (events.length > 0) return answeredWith(known, events);
    const letter = await this.#letterAt(place);
    if (letter !== null) return { ...known, ...letter };
    return record === null ? null : answeredWith(known, events);
  }

  async #readCommand({ topic, partition, offset }: CommandPlace): Promise<ReceivedRecord | null> {
    const { broker } = this.#options;
    const ranges = await broker.offsetRanges(topic);
    const range = ranges.find((each) => each.partition === partition);
    if (range === undefined || offset < range.beginning || offset >= range.end) return null;
    let command: ReceivedRecord | null = null;
    const stretch = { partition, beginning: offset, end: offset + 1 };
    await readUntil(broker, topic, stretch, (record) => {
      command = record;
      return true;
    });
    return command;
  }

  async #eventsAt(place: CommandPlace): Promise<readonly object[]> {
    const { broker, eventsTopic } = this.#options;
    const records = await findAnswerRecords(broker, eventsTopic, place, (record) =>
      // Copies have the ids of their originals, and lie in the order in which they were copied.
      Object.hasOwn(record.headers, 'ce_replay') ? null : readAnswerPlace(record),
    );
    return records.flatMap(structuredEventsOf);
  }

  async #letterAt(place: CommandPlace) {
    const { broker, deadLettersTopic } = this.#options;
    const [record] = await findAnswerRecords(broker, deadLettersTopic, place, (record) =>
      isMarker(record) ? null : this.placeIn(originalOf(record)),
    );
    if (!record) return null;
    const { id, reason, message } = headOf(record);
    const fate = await this.#fateOf(record, id);
    const { resolution, replacedBy } = fate;
    return {
      status: 'dead-letter' as const,
      reason,
      message,
      advice: adviceFor(reason, fate),
      letter: id,
      ...(resolution !== null && { resolution }),
      ...(replacedBy !== undefined && { replacedBy }),
    };
  }

  /**
   * Reads the marker of a letter, which lies behind the letter in the same partition. The marker of
   * a letter without a key may lie in any other partition, near its end.
   */
  async #fateOf({ topic, partition, offset, key }: ReceivedRecord, id: string) {
    const { broker } = this.#options;
    const fates = new Fates();
    for (const range of await broker.offsetRanges(topic)) {
      const isOwn = range.partition === partition;
      if (!isOwn && key !== null) continue;
      const from = isOwn ? offset + 1 : range.end - MARKER_DISTANCE_OFFSETS;
      const beginning = Math.max(range.beginning, from);
      const end = Math.min(range.end, beginning + MARKER_DISTANCE_OFFSETS);
      await readUntil(broker, topic, { partition: range.partition, beginning, end }, (record) => {
        if (isMarker(record)) fates.add(record);
        return fates.of(id).resolution !== null;
      });
    }
    return fates.of(id);
  }
}

/** Tells whether two messages with one identity say the same. */
function isAlike(one: Envelope | null, other: Envelope): boolean {
  return one?.type === other.type && isDeepStrictEqual(one.data, other.data);
}

/** Tells whether a command was answered with no event. */
function isSilent(status: CommandStatus | null): status is AnsweredCommand {
  return status?.status === 'answered' && status.events.length === 0;
}

function isBefore(one: ReceivedRecord, other: ReceivedRecord): boolean {
  return one.partition === other.partition
    ? one.offset < other.offset
    : one.timestampMs <= other.timestampMs;
}
