import { createHash } from 'node:crypto';
import { AllocationModel, type ModelEvent } from './allocation-model.ts';
import { checkBodies } from './check-bodies.ts';
import {
  attributesOf,
  checkEnvelopes,
  formerIdentity,
  identityIn,
  type Origin,
  originOf,
  type PartAttributes,
} from './check-envelopes.ts';
import { checkParking } from './check-parking.ts';
import { Deleted, withoutCutAnswers } from './deleted-records.ts';

/*
 * The judge of a fault campaign decides whether every command was answered exactly once, and
 * rightly. It reads only what anybody can read: the topics as a `read_committed` client sees them,
 * the tables, and the offsets of the group. It shares no code with the service.
 */

export interface HistoryRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: string | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
  /** The time of the decision, where the reader of the history knows better than `ce_time`. */
  readonly madeAt?: string;
  /**
   * The decision may have missed what others decided from this time on. Absent: the decision saw
   * everything that was decided before it.
   */
  readonly sinceAt?: string;
}

/** The content of the database at the end of a history. */
export interface StockTables {
  readonly products: readonly { readonly sku: string; readonly version: number }[];
  readonly batches: readonly {
    readonly reference: string;
    readonly sku: string;
    readonly quantity: number;
    readonly eta: string | null;
    readonly allocated: number;
  }[];
  readonly lines: readonly {
    readonly orderid: string;
    readonly sku: string;
    readonly qty: number;
    readonly batchref: string;
  }[];
  /** The identities of processed commands, as the service keeps them. */
  readonly processedIds: ReadonlySet<string>;
  /**
   * The ids that a former release has kept. Such an id counts for every source. Absent: there are
   * none.
   */
  readonly formerIds?: ReadonlySet<string>;
  readonly positions: readonly Position[];
  /** The end of each row of the outbox. */
  readonly outbox: readonly Position[];
  readonly parkedIds: readonly string[];
}

interface Position {
  readonly topic: string;
  readonly partition: number;
  readonly nextOffset: number;
}

export interface History {
  readonly commands: readonly HistoryRecord[];
  readonly events: readonly HistoryRecord[];
  readonly deadLetters: readonly HistoryRecord[];
  readonly tables: StockTables;
  /** The committed offset of the group in each partition of the commands topic. */
  readonly committedOffsets: ReadonlyMap<number, number>;
  /**
   * The end of each partition of the commands topic. Transaction markers may lie between the last
   * command and the end.
   */
  readonly ends: ReadonlyMap<number, number>;
  /** The first remaining offsets. Absent: nothing was deleted. */
  readonly starts?: LogStarts;
}

/** The first offset that remains in each partition of a topic. */
export interface LogStarts {
  readonly commands: ReadonlyMap<number, number>;
  readonly events: ReadonlyMap<number, number>;
  readonly deadLetters: ReadonlyMap<number, number>;
}

/** What a history may show besides answers. Each allowance is off by default. */
export interface Allowances {
  /** Whether a handler may have failed on the command for good. */
  readonly mayFail?: (command: LaneCommand) => boolean;
  /**
   * Whether an operator began to discard the command. The topic does not show a discard that was
   * interrupted after it had reached the database.
   */
  readonly mayBeDiscarded?: (command: LaneCommand) => boolean;
  /** Whether commands may still wait behind a failed command. */
  readonly mayStayParked?: boolean;
  /**
   * Whether the history goes on, so that a missing answer may still come. The judge then checks
   * only what was published.
   */
  readonly isUnderWay?: boolean;
}

/** One fault of a history. Tests look for `kind`; people read `detail`. */
export interface Violation {
  readonly kind:
    | 'unreadable-event'
    | 'event-without-command'
    | 'torn-composite'
    | 'answered-twice'
    | 'wrong-repeat'
    | 'another-body'
    | 'dead-letter-twice'
    | 'dead-letter-without-command'
    | 'dead-for-nothing'
    | 'answered-and-dead'
    | 'unanswered'
    | 'altered-letter'
    | 'wrong-id'
    | 'wrong-key'
    | 'wrong-subject'
    | 'wrong-correlation'
    | 'wrong-trace'
    | 'wrong-dataschema'
    | 'wrong-envelope'
    | 'out-of-order'
    | 'scattered'
    | 'sequence'
    | 'wrong-outcome'
    | 'no-possible-order'
    | 'oversold'
    | 'database'
    | 'processed-ids'
    | 'positions'
    | 'outbox'
    | 'still-parked'
    | 'overtaken'
    | 'parked-for-nothing';
  readonly detail: string;
}

/** The answer to one command: one message, or the consecutive messages of a split composite. */
export interface Answer {
  readonly place: string;
  /** The record of the first message. */
  readonly record: HistoryRecord;
  readonly messages: readonly Message[];
  readonly events: readonly ModelEvent[];
}

export interface Message {
  readonly record: HistoryRecord;
  /** The number of the message within its answer, from 1 on. */
  readonly number: number;
  /** The ids of the parts of a composite. Null: the message is a single event. */
  readonly partIds: readonly string[] | null;
  /** The attributes of each part of a composite. */
  readonly parts: readonly PartAttributes[];
  readonly events: readonly ModelEvent[];
}

/** A dead letter, and what was done with it. */
export interface Letter {
  readonly reason: string;
  /** The resolution of the dead letter. Null: the letter waits. */
  readonly resolution: string | null;
  readonly record: HistoryRecord;
}

export interface LaneCommand extends Origin {
  readonly place: string;
  readonly partition: number;
  readonly offset: number;
  readonly body: Readonly<Record<string, unknown>>;
  /** Null: nothing was published, which is right only if nothing happened. */
  readonly answer: Answer | null;
  readonly letter: Letter | null;
}

/**
 * Returns the violations of a history, at most five of each kind. The history must be at rest,
 * unless the allowances say otherwise.
 */
export function checkHistory(whole: History, allowances: Allowances = {}): readonly Violation[] {
  const history = withoutCutAnswers(whole);
  const violations: Violation[] = [];
  const report = (kind: Violation['kind'], detail: string) => {
    if (violations.filter((each) => each.kind === kind).length < MOST_OF_A_KIND)
      violations.push({ kind, detail });
  };
  const tell = allowances.isUnderWay ? unlessStillToCome(report) : report;
  const deleted = new Deleted(history);
  const answers = readAnswers(history, deleted, report);
  const dead = readDeadLetters(history, deleted, report);
  const commands = readCommands(history, answers, dead, deleted, tell);
  const lanes = handledIn(commands, deleted.answered(answers), deleted, allowances, tell);
  checkBodies(commands, (command) => deleted.mayHaveHeld(command), report);
  checkDeadLetters(commands, allowances, report);
  const { mayBeDiscarded = () => false } = allowances;
  checkParking(commands, deleted.hasCommands, mayBeDiscarded, tell);
  checkEnvelopes(commands, report);
  checkOrder(answers, report);
  checkSubjects(answers, report);
  checkSequences(answers, deleted, report);
  const unknown = deleted.unknownSkus(answers.values());
  const models = replay(lanes, unknown, tell);
  if (allowances.isUnderWay) return violations;
  checkTables(history.tables, models, unknown, report);
  checkProcessedIds(lanes, history.tables, deleted, report);
  checkPositions(history, report);
  checkRest(history, allowances, report);
  return violations;
}

/** Suppresses what may still be put right while the history goes on. */
const unlessStillToCome =
  (report: Report): Report =>
  (kind, detail) => {
    if (kind !== 'unanswered' && kind !== 'parked-for-nothing' && kind !== 'overtaken')
      report(kind, detail);
  };

const MOST_OF_A_KIND = 5;
export type Report = (kind: Violation['kind'], detail: string) => void;

export const placeOf = ({ topic, partition, offset }: HistoryRecord) =>
  `${topic}/${partition}/${offset}`;

/** Returns the answers by the place of the answered command, which the id of every event names. */
function readAnswers(
  { events, commands }: History,
  deleted: Deleted,
  report: Report,
): ReadonlyMap<string, Answer> {
  const known = new Set(commands.map(placeOf));
  const messages = new Map<string, Message[]>();
  for (const record of events) {
    const { ce_id: id = '', ce_type: type = '', ce_sequence: sequence } = record.headers;
    const [, place = id, number = '1'] = LATER_PART.exec(id) ?? [];
    const body = readBody(record);
    if (!body) {
      report('unreadable-event', toldOf(record));
      continue;
    }
    if (!known.has(place) && !deleted.has(place)) report('event-without-command', toldOf(record));
    const parts = type === 'CompositeDomainEvent' ? (body.events as Part[]) : null;
    const told = parts?.map((part) => asEvent(part.type, part.sequence, part.data)) ?? [
      asEvent(type, sequence, body),
    ];
    const partIds = parts?.map((part) => part.id) ?? null;
    const message = {
      record,
      number: Number(number),
      partIds,
      parts: parts?.map(attributesOf) ?? [],
      events: told,
    };
    messages.set(place, [...(messages.get(place) ?? []), message]);
  }
  return new Map([...messages].map(([place, of]) => [place, answerOf(place, of, report)]));
}

/** @returns null when the record is no event */
function readBody({ value, headers }: HistoryRecord): Record<string, unknown> | null {
  try {
    const body = JSON.parse(String(value));
    const isWhole =
      headers.ce_type === 'CompositeDomainEvent'
        ? Array.isArray(body.events)
        : typeof body === 'object' && body !== null;
    return isWhole ? body : null;
  } catch {
    return null;
  }
}

/** The id of the second or a later message of an answer that was too large for one message. */
const LATER_PART = /^(.+\/\d+\/\d+)\.([2-9]|[1-9]\d+)$/;

interface Part extends Readonly<Record<string, unknown>> {
  readonly id: string;
  readonly type: string;
  readonly sequence?: string;
  readonly data: Record<string, unknown>;
}

const toldOf = (record: HistoryRecord) =>
  `${record.headers.ce_id ?? 'an event'} at ${placeOf(record)}`;

function answerOf(place: string, told: readonly Message[], report: Report): Answer {
  const messages = [...Map.groupBy(told, ({ number }) => number).values()].map(
    ([message, ...again]) => {
      for (const { record } of again)
        report(
          'answered-twice',
          `${toldOf(record)}, and at ${placeOf((message as Message).record)}`,
        );
      return message as Message;
    },
  );
  messages.sort(
    (a, b) => a.record.partition - b.record.partition || a.record.offset - b.record.offset,
  );
  const [{ record }] = messages as [Message];
  const isInOrder = messages.every(
    (message, index) =>
      message.number === index + 1 && message.record.partition === record.partition,
  );
  if (!isInOrder)
    report(
      'torn-composite',
      `${place}: ${messages.map((message) => toldOf(message.record)).join(', ')}`,
    );
  const ids = messages.flatMap<string | null>(({ partIds }) => partIds ?? [null]);
  const isWhole = ids.length > 1 && ids.every((id, index) => id === `${place}/${index + 1}`);
  const isSingle = messages.length === 1 && ids[0] === null;
  if (!isWhole && !isSingle) report('torn-composite', `${toldOf(record)}: ${ids}`);
  return { place, record, messages, events: messages.flatMap(({ events }) => events) };
}

function asEvent(
  type: string,
  sequence: string | undefined,
  data: Record<string, unknown>,
): ModelEvent {
  const { detail: _, ...seen } = data;
  return { type, ...seen, ...(sequence === undefined ? {} : { sequence: Number(sequence) }) };
}

/** Returns the dead letters by the place of the original command. */
function readDeadLetters(
  { deadLetters, commands }: History,
  deleted: Deleted,
  report: Report,
): ReadonlyMap<string, Letter> {
  const known = new Map(commands.map((command) => [placeOf(command), command]));
  const dead = new Map<string, Letter>();
  const resolutions = new Map<string, string>();
  for (const { headers } of deadLetters) {
    const resolved = headers['dead-letter-resolves'];
    // The first resolution counts.
    if (
      headers['dead-letter-reason'] === undefined &&
      resolved !== undefined &&
      !resolutions.has(resolved)
    )
      resolutions.set(resolved, String(headers['dead-letter-resolution']));
  }
  for (const record of deadLetters) {
    const {
      'dead-letter-reason': reason,
      'dead-letter-topic': topic,
      'dead-letter-partition': partition,
      'dead-letter-offset': offset,
    } = record.headers;
    if (reason === undefined) continue;
    const place = `${topic}/${partition}/${offset}`;
    const original = known.get(place);
    if (!original && !deleted.has(place))
      report('dead-letter-without-command', `${placeOf(record)}: ${place}`);
    if (original && !isCopyOf(original, record))
      report('altered-letter', `${placeOf(record)} is no copy of ${place}`);
    if (dead.has(place)) report('dead-letter-twice', place);
    dead.set(place, { reason, resolution: resolutions.get(placeOf(record)) ?? null, record });
  }
  return dead;
}

/**
 * Tells whether the letter contains the key, value and headers of the original. An original that is
 * too large for the dead letters stays in its topic, and the letter says so.
 */
function isCopyOf(original: HistoryRecord, letter: HistoryRecord): boolean {
  if (letter.headers['dead-letter-message']?.includes('too large for the dead letters'))
    return true;
  const isSame =
    original.key === letter.key &&
    Buffer.compare(original.value ?? NO_VALUE, letter.value ?? NO_VALUE) === 0;
  return (
    isSame &&
    Object.entries(original.headers).every(
      ([name, text]) => name.startsWith('dead-letter') || letter.headers[name] === text,
    )
  );
}

const NO_VALUE = Buffer.from('no value');

/**
 * Returns every record that is a command, with its answer and its letter. Deleted commands are
 * included as far as their dead letters have kept them.
 */
function readCommands(
  { commands }: History,
  answers: ReadonlyMap<string, Answer>,
  dead: ReadonlyMap<string, Letter>,
  deleted: Deleted,
  report: Report,
): readonly LaneCommand[] {
  return [...deleted.commandsIn(dead), ...commands].flatMap((record) => {
    const place = placeOf(record);
    const [answer, letter] = [answers.get(place) ?? null, dead.get(place) ?? null];
    if (answer && letter) report('answered-and-dead', place);
    const read = readCommand(record, place);
    if (!read) {
      if (!letter && !deleted.mayHaveHeld(record))
        report('unanswered', `${place} is no command, and has no dead letter`);
      return [];
    }
    return [{ ...read, place, partition: record.partition, offset: record.offset, answer, letter }];
  });
}

/** A command that a lane has handled. */
export interface Handled {
  readonly place: string;
  readonly partition: number;
  readonly offset: number;
  readonly id: string;
  readonly identity: string;
  /** Null: the command was deleted, and only its answer remains. */
  readonly body: LaneCommand['body'] | null;
  readonly answer: Answer | null;
}

/**
 * Returns what each lane has handled, in the order of the lane. Each identity appears once. A
 * command that waits among the dead letters, or was discarded there, does not appear.
 */
function handledIn(
  commands: readonly LaneCommand[],
  forgotten: readonly Handled[],
  deleted: Deleted,
  { isUnderWay = false }: Allowances,
  report: Report,
): readonly Handled[][] {
  const handled: Handled[] = [...forgotten];
  const answeredBefore = new Map(forgotten.map(({ identity, place }) => [identity, place]));
  for (const [identity, same] of Map.groupBy(commands, (command) => command.identity)) {
    const [{ id }] = same as [LaneCommand];
    const before = answeredBefore.get(identity) ?? answeredBefore.get(formerIdentity(id));
    const answered = same.filter(({ answer }) => answer);
    const places = [
      ...(before === undefined ? [] : [before]),
      ...answered.map(({ place }) => place),
    ];
    if (places.length > 1)
      report('answered-twice', `the command ${id}, at ${places.join(' and at ')}`);
    checkRepeats(same, deleted, report);
    if (before !== undefined || (isUnderWay && answered.length === 0)) continue;
    const isLeft = same.some(({ letter }) => letter && letter.resolution !== 'redriven');
    const mayBeGone =
      same.some((command) => deleted.mayHaveHeld(command)) || deleted.mayHaveHeldFormer(identity);
    const one = answered[0] ?? (isLeft || mayBeGone ? null : same.find(({ letter }) => !letter));
    if (one) handled.push(one);
    else if (!isLeft && !mayBeGone)
      report('unanswered', `${id} was redriven, but did not come to the commands topic again`);
  }
  return [...Map.groupBy(handled, ({ partition }) => partition).values()].map((lane) =>
    lane.sort((a, b) => a.offset - b.offset),
  );
}

/**
 * Checks that the first of several equal commands in a lane is answered, whatever the later ones
 * say. The rule does not hold when the first one went to the dead letters.
 */
function checkRepeats(same: readonly LaneCommand[], deleted: Deleted, report: Report): void {
  for (const { place, partition, offset } of same.filter(({ answer }) => answer)) {
    const before = same.filter((each) => each.partition === partition && each.offset < offset);
    const [first] = before.toSorted((one, other) => one.offset - other.offset);
    if (
      first &&
      !before.some(({ letter, answer }) => letter || answer) &&
      !before.some((each) => deleted.mayHaveHeld(each))
    )
      report(
        'wrong-repeat',
        `${place} was answered instead of ${first.place}, an earlier copy of the same command`,
      );
  }
}

/**
 * Checks that a readable command is among the dead letters only if a handler may have failed on it,
 * or if it waits behind such a command.
 */
function checkDeadLetters(
  commands: readonly LaneCommand[],
  { mayFail = () => false }: Allowances,
  report: Report,
): void {
  const failed = commands.filter(({ letter }) => letter?.reason === 'handler-failed');
  for (const command of commands) {
    const { place, id, letter } = command;
    if (!letter) continue;
    const isRight =
      letter.reason === 'handler-failed'
        ? mayFail(command)
        : letter.reason === 'parked-behind' && failed.length > 0;
    if (!isRight) report('dead-for-nothing', `${place} (${id}): ${letter.reason}`);
  }
}

const MOST_BYTES = 1024 * 1024;
const MOST_LINES = 500;
const utf8 = new TextDecoder('utf-8', { fatal: true });

const isName = (value: unknown) =>
  typeof value === 'string' && /^[^\p{Cc}\p{Cs}]{1,255}$/u.test(value);
const isWhole = (value: unknown, least: number) =>
  Number.isSafeInteger(value) && (value as number) >= least;
const isLine = ({ sku, qty }: Readonly<Record<string, unknown>>) => isName(sku) && isWhole(qty, 1);

function isDate(value: unknown): boolean {
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\d$/.test(value)) return false;
  const date = new Date(value);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(value);
}

function areLines(lines: unknown): boolean {
  if (!Array.isArray(lines) || lines.length < 1 || lines.length > MOST_LINES) return false;
  return lines.every(isLine) && new Set(lines.map(({ sku }) => sku)).size === lines.length;
}

/** The contract's rules for the data of each command type. */
const isValid: Readonly<Record<string, (data: Readonly<Record<string, unknown>>) => boolean>> = {
  CreateBatch: ({ reference, sku, quantity, eta = null }) =>
    isName(reference) && isName(sku) && isWhole(quantity, 0) && (eta === null || isDate(eta)),
  AllocateOrder: ({ orderid, lines, ...line }) =>
    isName(orderid) &&
    (lines === undefined
      ? isLine(line)
      : line.sku === undefined && line.qty === undefined && areLines(lines)),
  ChangeBatchQuantity: ({ reference, quantity }) => isName(reference) && isWhole(quantity, 0),
  DeallocateOrder: ({ orderid, sku }) => isName(orderid) && (sku === undefined || isName(sku)),
};

/** Returns the identity of a command, or null when the record is no command. */
export function identityOf(record: HistoryRecord): string | null {
  return readCommand(record, placeOf(record))?.identity ?? null;
}

/**
 * Reads a command in any of the three message forms.
 * @returns null when the record has none of the forms, or is no command
 */
function readCommand(
  record: HistoryRecord,
  place: string,
): Pick<LaneCommand, 'body' | keyof Origin> | null {
  try {
    if ((record.value?.length ?? 0) > MOST_BYTES) return null;
    const { id, body, event, isPlace = false } = inItsForm(record, place);
    if (!isName(id) || !isValid[String(body.type)]?.(body)) return null;
    const said =
      event?.source ??
      (record.headers.ce_specversion === undefined ? null : record.headers.ce_source) ??
      null;
    const source = digested(said as string | null, id, record, event);
    return {
      body,
      ...originOf({ id, source, isPlace: id === place && isPlace }, record.headers, event),
    };
  } catch {
    return null;
  }
}

/**
 * Returns the source, with a digest of the content when the id is a place in the dead letters. A
 * place that is sent again is the same command only with the same content.
 */
function digested(
  source: string | null,
  id: string,
  { headers, value }: HistoryRecord,
  event: Form['event'],
): string | null {
  if (source !== '/allocation/dead-letters' || !/^[^/]+\/\d+\/\d+$/.test(id)) return source;
  const words = JSON.stringify([
    event?.type ?? headers.ce_type,
    event?.dataschema ?? headers.ce_dataschema ?? null,
  ]);
  return `${source}#${createHash('sha256')
    .update(words)
    .update(value ?? '')
    .digest('hex')}`;
}

interface Form {
  readonly id: string;
  readonly isPlace?: boolean;
  readonly body: Record<string, unknown>;
  /** The whole CloudEvent, in structured mode. */
  readonly event?: Readonly<Record<string, unknown>>;
}

function inItsForm({ value, headers }: HistoryRecord, place: string): Form {
  const json = JSON.parse(utf8.decode(value ?? Buffer.of()));
  if (headers.ce_specversion !== undefined)
    return { id: String(headers.ce_id), body: { ...json, type: headers.ce_type } };
  if (json.specversion !== undefined)
    return { id: json.id, body: { ...json.data, type: json.type }, event: json };
  return { id: json.id ?? place, isPlace: (json.id ?? null) === null, body: json };
}

/**
 * Checks that each lane publishes in its order. Within a partition of the events, the answers of
 * one lane have rising offsets.
 */
function checkOrder(answers: ReadonlyMap<string, Answer>, report: Report): void {
  const messages = [...answers.values()].flatMap(({ place, messages }) =>
    messages.map(({ record }) => ({ place, record })),
  );
  const lanes = Map.groupBy(
    messages,
    ({ place, record }) => `${place.slice(0, place.lastIndexOf('/'))} in ${record.partition}`,
  );
  for (const [lane, of] of lanes) {
    let last = -1;
    for (const { place } of of.toSorted((a, b) => a.record.offset - b.record.offset)) {
      const offset = Number(place.slice(place.lastIndexOf('/') + 1));
      if (offset < last)
        report(
          'out-of-order',
          `${lane}: the answer to ${offset} comes after the answer to ${last}`,
        );
      last = offset;
    }
  }
}

/**
 * Checks that all answers about one subject are in one partition, because only a partition has an
 * order.
 */
function checkSubjects(answers: ReadonlyMap<string, Answer>, report: Report): void {
  const partitions = new Map<string, number>();
  for (const { place, record } of answers.values()) {
    const { ce_subject: subject } = record.headers;
    if (subject === undefined) continue;
    const first = partitions.get(subject) ?? record.partition;
    partitions.set(subject, first);
    if (record.partition !== first)
      report('scattered', `${subject}: ${place} is in ${record.partition}, others are in ${first}`);
  }
}

/**
 * Checks that the sequences of each product have no gap, and rise within each partition of the
 * events. An answer is published after the answers that it rests on.
 */
function checkSequences(
  answers: ReadonlyMap<string, Answer>,
  deleted: Deleted,
  report: Report,
): void {
  const events = [...answers.values()]
    .flatMap(({ messages }) => messages)
    .toSorted((a, b) => a.record.offset - b.record.offset)
    .flatMap(({ record, events: told }) =>
      told.map(({ sku, sequence }) => ({ sku: String(sku), sequence, record })),
    )
    .filter(
      (event): event is typeof event & { readonly sequence: number } =>
        event.sequence !== undefined,
    );
  for (const [sku, of] of Map.groupBy(events, (event) => event.sku)) {
    const sequences = of.map(({ sequence }) => sequence).sort((a, b) => a - b);
    const isDouble = (sequence: number, index: number) => sequence === sequences[index - 1];
    const isOff = (sequence: number, index: number) => sequence !== index + 1;
    const wrong = sequences.findIndex(deleted.hasAnswers ? isDouble : isOff);
    if (wrong >= 0) report('sequence', `${sku}: ${sequences[wrong]} where ${wrong + 1} should be`);
    const lasts = new Map<number, number>();
    for (const { sequence, record } of of) {
      const last = lasts.get(record.partition) ?? 0;
      if (sequence < last)
        report('sequence', `${sku}: ${sequence} comes after ${last}, at ${placeOf(record)}`);
      lasts.set(record.partition, sequence);
    }
  }
}

/**
 * One slow model for each product, because the stock of one product never depends on that of
 * another.
 */
class Models {
  readonly bySku = new Map<string, AllocationModel>();
  readonly #sequences = new Map<string, number>();
  readonly #skuOfReference = new Map<string, string>();
  readonly #skusOfOrder = new Map<string, Set<string>>();

  of(sku: string): AllocationModel {
    const model = this.bySku.get(sku) ?? new AllocationModel();
    this.bySku.set(sku, model);
    return model;
  }

  sequenceOf(sku: string): number {
    return this.#sequences.get(sku) ?? 0;
  }

  /**
   * Tells whether these are the next events of their products. Events of unknown products always
   * pass.
   */
  isNext(events: readonly ModelEvent[], unknown: ReadonlySet<string>): boolean {
    const next = new Map<string, number>();
    return events.every(({ sku, sequence }) => {
      if (sequence === undefined || unknown.has(String(sku))) return true;
      const expected = next.get(String(sku)) ?? this.sequenceOf(String(sku)) + 1;
      next.set(String(sku), expected + 1);
      return sequence === expected;
    });
  }

  handle(body: Readonly<Record<string, unknown>>): ModelEvent[] {
    const events = this.#handle(body);
    for (const { sku, sequence } of events)
      if (sequence !== undefined) this.#sequences.set(String(sku), sequence);
    return events;
  }

  /** Applies the answer to a command that has been deleted. */
  take(events: readonly ModelEvent[]): void {
    for (const event of events) {
      const { type, sku, sequence, reference, orderid } = event as ModelEvent &
        Record<string, string>;
      if (sku === undefined) continue;
      if (type === 'BatchCreated') this.#skuOfReference.set(String(reference), sku);
      if (type === 'Allocated')
        this.#skusOfOrder.set(
          String(orderid),
          (this.#skusOfOrder.get(String(orderid)) ?? new Set()).add(sku),
        );
      this.of(sku).take(event);
      if (sequence !== undefined) this.#sequences.set(sku, Number(sequence));
    }
  }

  #handle(body: Readonly<Record<string, unknown>>): ModelEvent[] {
    const { type, reference, orderid, sku, eta = null } = body as Record<string, string>;
    switch (type) {
      case 'CreateBatch': {
        const home = this.#skuOfReference.get(String(reference)) ?? String(sku);
        this.#skuOfReference.set(String(reference), home);
        return this.of(home).handle({ ...body, eta } as never);
      }
      case 'AllocateOrder': {
        const lines = (body.lines ?? [{ sku, qty: body.qty }]) as { sku: string; qty: number }[];
        return lines.flatMap((line) => {
          this.#skusOfOrder.set(
            String(orderid),
            (this.#skusOfOrder.get(String(orderid)) ?? new Set()).add(line.sku),
          );
          return this.of(line.sku).handle({ type, orderid: String(orderid), lines: [line] });
        });
      }
      case 'ChangeBatchQuantity':
        return this.of(this.#skuOfReference.get(String(reference)) ?? '').handle(body as never);
      case 'DeallocateOrder': {
        const skus =
          sku === undefined || sku === null
            ? [...(this.#skusOfOrder.get(String(orderid)) ?? [])]
            : [sku];
        const held = skus
          .filter((each) => this.of(each).lines.some((line) => line.orderid === orderid))
          .sort();
        if (held.length === 0)
          return new AllocationModel().handle({ type, orderid: String(orderid), sku: sku ?? null });
        return held.flatMap((each) =>
          this.of(each).handle({ type, orderid: String(orderid), sku: each }),
        );
      }
      default:
        throw new Error(`The judge knows no command type ${type}`);
    }
  }
}

/**
 * Handles the commands again in an order that lanes and sequences allow: the commands of a lane in
 * the order of the lane, those of a product in the order of its events. Where commands of several
 * lanes touch no stock (rejections), the earlier answer comes first.
 */
function replay(lanes: readonly Handled[][], unknown: ReadonlySet<string>, report: Report): Models {
  const models = new Models();
  const unseen = new Unseen(lanes);
  const heads = lanes.map(() => 0);
  for (;;) {
    const waiting = lanes.flatMap((lane, index) =>
      heads[index] === lane.length
        ? []
        : [{ index, command: lane[heads[index] as number] as Handled }],
    );
    if (waiting.length === 0) return models;
    const possible = waiting
      .filter(({ command }) => models.isNext(command.answer?.events ?? [], unknown))
      .sort((a, b) => (timeOf(a.command) < timeOf(b.command) ? -1 : 1));
    const next =
      possible.find(({ command, index }) => !unseen.isBefore(command, index)) ?? possible[0];
    if (!next) {
      report(
        'no-possible-order',
        waiting
          .map(({ command: { place, answer } }) => `${place}: ${JSON.stringify(answer?.events)}`)
          .join('; '),
      );
      return models;
    }
    judgeNext(next.command, models, unknown, report);
    unseen.handled(next.command);
    heads[next.index] = (heads[next.index] as number) + 1;
  }
}

const timeOf = ({ answer }: Handled) =>
  answer?.record.madeAt ?? answer?.record.headers.ce_time ?? '';

/**
 * Rejections of unknown names by transactions that did not see what other lanes decided meanwhile.
 */
class Unseen {
  /** The commands of each lane that were rejected because a name was unknown, by that name. */
  readonly #rejected = new Map<
    string,
    { readonly command: Handled; readonly lane: number; readonly sinceAt: string }[]
  >();
  readonly #handled = new Set<Handled>();

  constructor(lanes: readonly Handled[][]) {
    for (const [lane, commands] of lanes.entries()) {
      for (const command of commands) {
        const { sinceAt } = command.answer?.record ?? {};
        if (sinceAt === undefined) continue;
        for (const name of command.answer?.events.flatMap(unknownNames) ?? [])
          this.#rejected.set(name, [
            ...(this.#rejected.get(name) ?? []),
            { command, lane, sinceAt },
          ]);
      }
    }
  }

  handled(command: Handled): void {
    this.#handled.add(command);
  }

  /** Tells whether another lane has yet to reject as unknown what this command makes known. */
  isBefore(command: Handled, lane: number): boolean {
    if (this.#rejected.size === 0) return false;
    const names = command.answer?.events.flatMap(namesMadeKnown) ?? [];
    const rejected = names.flatMap((name) => this.#rejected.get(name) ?? []);
    return rejected.some(
      (each) =>
        each.lane !== lane && each.sinceAt < timeOf(command) && !this.#handled.has(each.command),
    );
  }
}

function namesMadeKnown({ type, sku, ...event }: ModelEvent): readonly string[] {
  const { reference, orderid } = event as Readonly<Record<string, unknown>>;
  if (type === 'BatchCreated') return [`batch ${reference}`, `sku ${sku}`];
  return type === 'Allocated' ? [`order ${orderid}`] : [];
}

function unknownNames({ type, sku, ...event }: ModelEvent): readonly string[] {
  const { reason, reference, orderid } = event as Readonly<Record<string, unknown>>;
  if (type !== 'CommandRejected') return [];
  if (reason === 'unknown-batch') return [`batch ${reference}`];
  if (reason === 'unknown-sku') return [`sku ${sku}`];
  return reason === 'unknown-order' ? [`order ${orderid}`] : [];
}

function judgeNext(
  { place, id, body, answer }: Handled,
  models: Models,
  unknown: ReadonlySet<string>,
  report: Report,
): void {
  const found = answer?.events ?? [];
  if (!body) {
    models.take(found);
    return;
  }
  const expected = models.handle(body);
  const isKnown = ({ sku }: ModelEvent) => sku !== undefined && !unknown.has(String(sku));
  const isPartlyKnown = [...expected, ...found].some(({ sku }) => unknown.has(String(sku)));
  const [wanted, told] = isPartlyKnown
    ? [expected.filter(isKnown), found.filter(isKnown)]
    : [expected, found];
  // Only a repeated batch gets no answer.
  const isToSay = wanted.length > 0 || body.type !== 'CreateBatch';
  if (!answer && isToSay) report('unanswered', `${place} (${id}): ${JSON.stringify(wanted)}`);
  else if (!sameEvents(wanted, told))
    report(
      'wrong-outcome',
      `${place} (${id}): ${JSON.stringify(told)} instead of ${JSON.stringify(wanted)}`,
    );
}

function sameEvents(expected: readonly ModelEvent[], found: readonly ModelEvent[]): boolean {
  const asText = (event: ModelEvent) =>
    JSON.stringify(Object.entries(event).sort(([a], [b]) => (a < b ? -1 : 1)));
  return (
    expected.length === found.length &&
    expected.every((event, index) => asText(event) === asText(found[index] as ModelEvent))
  );
}

function checkTables(
  tables: StockTables,
  models: Models,
  unknown: ReadonlySet<string>,
  report: Report,
): void {
  const isKnown = ({ sku }: { readonly sku: string }) => !unknown.has(sku);
  const [products, batches, lines] = [
    tables.products.filter(isKnown),
    tables.batches.filter(isKnown),
    tables.lines.filter(isKnown),
  ];
  for (const { reference, allocated, quantity } of tables.batches) {
    if (allocated > quantity) report('oversold', `${reference}: ${allocated} of ${quantity}`);
  }
  const compare = (what: string, expected: readonly string[], found: readonly string[]) => {
    const wanted = new Set(expected);
    for (const each of found)
      if (!wanted.delete(each)) report('database', `${what} should not exist: ${each}`);
    for (const each of wanted) report('database', `${what} is missing: ${each}`);
  };
  const known = [...models.bySku].filter(([sku]) => !unknown.has(sku));
  const all = known.map(([, model]) => model);
  const expectedBatches = all.flatMap((model) =>
    model.batches.map((batch) =>
      JSON.stringify([
        batch.reference,
        batch.sku,
        batch.quantity,
        batch.eta,
        batch.quantity - model.available(batch),
      ]),
    ),
  );
  compare(
    'a batch',
    expectedBatches,
    batches.map(({ reference, sku, quantity, eta, allocated }) =>
      JSON.stringify([reference, sku, quantity, eta, allocated]),
    ),
  );
  const asText = ({ orderid, sku, qty, batchref }: StockTables['lines'][number]) =>
    JSON.stringify([orderid, sku, qty, batchref]);
  compare(
    'a line',
    all.flatMap((model) => model.lines.map(asText)),
    lines.map(asText),
  );
  const versions = known
    .filter(([, model]) => model.batches.length > 0)
    .map(([sku]) => JSON.stringify([sku, models.sequenceOf(sku)]));
  compare(
    'a product',
    versions,
    products.map(({ sku, version }) => JSON.stringify([sku, version])),
  );
}

/**
 * Checks that exactly the ids of handled commands are kept. A command whose id is kept wrongly
 * would be dropped.
 */
function checkProcessedIds(
  lanes: readonly Handled[][],
  tables: StockTables,
  deleted: Deleted,
  report: Report,
): void {
  const { formerIds = new Set() } = tables;
  const processedIds = new Set([...tables.processedIds].map(identityIn));
  const handled = new Set(
    lanes.flat().flatMap(({ id, identity }) => [identity, formerIdentity(id)]),
  );
  for (const { id, identity, place } of lanes.flat())
    if (!processedIds.has(identity) && !formerIds.has(id))
      report('processed-ids', `${identity} (${place}) is missing`);
  // If commands or answers were deleted, a kept id may be all that remains of a command.
  if (deleted.hasCommands || deleted.hasAnswers) return;
  for (const id of [...processedIds, ...[...formerIds].map(formerIdentity)])
    if (!handled.has(id)) report('processed-ids', `${id} is kept, but was never handled`);
}

/**
 * Checks that group and database stand at the same place at rest: behind the last command, and at
 * most at the end.
 */
function checkPositions(
  { commands, committedOffsets, ends, tables }: History,
  report: Report,
): void {
  const topic = commands[0]?.topic;
  for (const [partition, end] of ends) {
    const last = commands.reduce(
      (found, record) => (record.partition === partition ? Math.max(found, record.offset) : found),
      -1,
    );
    const committed = committedOffsets.get(partition) ?? 0;
    const isOurs = (each: Position) =>
      each.partition === partition && each.topic === (topic ?? each.topic);
    const position = tables.positions.find(isOurs)?.nextOffset ?? 0;
    if (committed === position && position > last && position <= end) continue;
    const places = `committed ${committed}, position ${position}, last command ${last}, end ${end}`;
    report('positions', `${topic}/${partition}: ${places}`);
  }
}

/**
 * Checks that a service that was stopped in order leaves no answer in the outbox, published or not,
 * and nothing behind a failed command.
 */
function checkRest(
  { committedOffsets, tables }: History,
  { mayStayParked = false }: Allowances,
  report: Report,
): void {
  for (const { topic, partition, nextOffset } of tables.outbox) {
    const committed = committedOffsets.get(partition) ?? 0;
    report(
      'outbox',
      `${topic}/${partition}: answers up to ${nextOffset} remain, committed ${committed}`,
    );
  }
  if (!mayStayParked) for (const id of tables.parkedIds) report('still-parked', id);
}
