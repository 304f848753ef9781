import { encodeDeadLetter } from '../../src/dead-letters/encode-dead-letter.ts';
import { markerRecord } from '../../src/dead-letters/markers.ts';
import { asDeadLetters } from '../../src/dead-letters/read-dead-letter.ts';
import { redriveRecord, replacementRecord } from '../../src/dead-letters/redrive-records.ts';
import type { Command } from '../../src/domain/commands.ts';
import type { Event } from '../../src/domain/events.ts';
import { placeOf } from '../../src/domain/place.ts';
import { encodeAnswer } from '../../src/messages/encode-answer.ts';
import { commandKey } from '../../src/messages/front-door.ts';
import { readCommand } from '../../src/messages/read-command.ts';
import type { StepKind } from '../../src/order-way/way-step.ts';
import type { LogRecord, ReceivedRecord } from '../../src/service-layer/records.ts';
import { MemoryLog } from './memory-log.ts';

export const TOPICS = {
  commandsTopic: 'commands',
  eventsTopic: 'events',
  deadLettersTopic: 'letters',
} as const;
export const STORY_PARTITIONS = 3;

/** Where the story may put a record, and when. */
export interface Chances {
  readonly partition: () => number;
  readonly gap: () => number;
  /** How much later the next thing happens, in milliseconds. */
  readonly passedMs: () => number;
  /** How wrong the clock of a sender is, in milliseconds. */
  readonly skewMs: () => number;
}

/** Names a step as a reader of several answers does. */
export function nameOf(kind: StepKind, place: string, eventId: string | null = null): string {
  return [kind, place, eventId].join(' ');
}

/** Tells a story about orders in the topics, and knows each order's steps. */
export class OrderStory {
  readonly log = new MemoryLog(Object.values(TOPICS), STORY_PARTITIONS);
  readonly #chances: Chances;
  readonly #steps = new Map<string, Set<string>>();
  /** Steps of one order that follow each other, whatever the clocks say. */
  readonly follows: { readonly orderid: string; readonly pair: readonly [string, string] }[] = [];
  #nowMs = Date.UTC(2026, 10, 28);
  #count = 0;

  constructor(chances: Chances) {
    this.#chances = chances;
  }

  /** The names of all steps of the order. */
  stepsOf(orderid: string): ReadonlySet<string> {
    return this.#steps.get(orderid) ?? new Set();
  }

  /** A sender sends a command. @param hasKey whether the message has the command's key */
  send(command: Command, hasKey = true): ReceivedRecord {
    this.#count += 1;
    const { type, ...data } = command;
    const value = JSON.stringify({ type, id: `c${this.#count}`, ...data });
    return this.#receive({ key: hasKey ? commandKey(command) : null, value, headers: {} });
  }

  /** The service answers the command. `maxBytes` splits the answer. */
  answer(record: ReceivedRecord, events: readonly Event[], maxBytes?: number): void {
    const { topic, partition, offset } = record;
    const place = placeOf(record);
    const read = readCommand(record, place);
    if (read.kind === 'unreadable') throw new Error(read.message);
    const time = new Date(this.#pass()).toISOString();
    const { identity, correlationId, command } = read;
    const common = { topic, partition, offset, identity, correlationId, traceparent: null };
    const answer = { ...common, command, events, time };
    for (const encoded of encodeAnswer(answer, maxBytes)) {
      const published = this.#append('events', encoded, this.#pass());
      const data = JSON.parse(String(encoded.value));
      const inside: { id: string; data: { orderid?: string } }[] = data.events ?? [
        { id: encoded.headers.ce_id, data },
      ];
      for (const orderid of new Set(inside.flatMap((event) => event.data.orderid ?? []))) {
        const out = nameOf('published', placeOf(published), encoded.headers.ce_id);
        this.#add(orderid, out);
        this.#add(orderid, nameOf('received', place));
        for (const event of inside.filter((each) => each.data.orderid === orderid)) {
          const decided = nameOf('decided', placeOf(published), event.id);
          this.#add(orderid, decided);
          this.#follow(orderid, nameOf('received', place), decided, out);
        }
      }
    }
  }

  /**
   * The service fails on the command.
   * @param hasRoom whether the letter has room for the message
   */
  fail(record: ReceivedRecord, reason: 'handler-failed' | 'parked-behind', hasRoom: boolean) {
    const cause = {
      reason,
      message: 'the handler has a bug',
      attempts: 1,
      failedAt: new Date(this.#pass()).toISOString(),
      parked: { id: idOf(record), skus: ['A'], behind: ['c0'], position: 1 },
    };
    const letter = this.#append(
      'letters',
      encodeDeadLetter(record, cause, hasRoom ? 1e6 : 1),
      this.#pass(),
    );
    const name = nameOf(reason === 'handler-failed' ? 'dead-letter' : 'parked', placeOf(letter));
    const orderid = orderOf(record);
    this.#add(orderid, name);
    this.#follow(orderid, nameOf('received', placeOf(record)), name);
    return { letter, record, name };
  }

  /** An operator redrives the letter, or sends another command in its place. */
  redrive(
    { letter, record, name }: ReturnType<OrderStory['fail']>,
    edited: Command | null = null,
  ): ReceivedRecord {
    const [whole] = asDeadLetters([{ ...letter, value: record.value }]);
    if (!whole) throw new Error('There is no letter');
    const replacement = edited && replacementRecord(whole, plainText(edited));
    const sent = this.#receive(replacement ?? redriveRecord(whole));
    const marker = this.#mark(letter, 'redriven', replacement?.id ?? null);
    const step = nameOf(edited ? 'edited' : 'redriven', placeOf(marker));
    const orderid = orderOf(record);
    this.#add(orderid, step);
    this.#follow(orderid, name, step, nameOf('received', placeOf(sent)));
    return sent;
  }

  /** An operator discards the letter. */
  discard({ letter, record, name }: ReturnType<OrderStory['fail']>): void {
    const step = nameOf('discarded', placeOf(this.#mark(letter, 'discarded', null)));
    this.#add(orderOf(record), step);
    this.#follow(orderOf(record), name, step);
  }

  #mark(letter: ReceivedRecord, resolution: 'redriven' | 'discarded', replacedBy: string | null) {
    const of = { id: placeOf(letter), key: letter.key };
    const marker = markerRecord(of, resolution, 'ann@desk', new Date(this.#pass()), replacedBy);
    const { partition, gap } = this.#chances;
    // The partition of a record without a key is any.
    const where = letter.key === null ? partition() : letter.partition;
    return this.log.append('letters', where, marker, this.#nowMs, gap());
  }

  #receive(sent: LogRecord): ReceivedRecord {
    const record = this.#append('commands', sent, this.#pass() + this.#chances.skewMs());
    if (orderOf(record) !== '') this.#add(orderOf(record), nameOf('received', placeOf(record)));
    return record;
  }

  #append(topic: string, record: LogRecord, timestampMs: number): ReceivedRecord {
    const { partition, gap } = this.#chances;
    return this.log.append(topic, partition(), record, timestampMs, gap());
  }

  #pass(): number {
    this.#nowMs += this.#chances.passedMs();
    return this.#nowMs;
  }

  #add(orderid: string, name: string): void {
    const names = this.#steps.get(orderid) ?? new Set();
    this.#steps.set(orderid, names.add(name));
  }

  #follow(orderid: string, ...names: readonly string[]): void {
    for (const [index, name] of names.entries())
      if (index > 0) this.follows.push({ orderid, pair: [names[index - 1] as string, name] });
  }
}

function orderOf({ value }: ReceivedRecord): string {
  return JSON.parse(String(value)).orderid ?? '';
}

function idOf({ value }: ReceivedRecord): string {
  return JSON.parse(String(value)).id;
}

function plainText(command: Command): string {
  return JSON.stringify(command);
}
