import type { ModelEvent } from '../allocation-model.ts';
import type { DeletedRecords } from './deleted-records.ts';
import type { Answer, Message, PartAttributes } from './evidence.ts';
import { type History, type HistoryRecord, placeOf } from './history.ts';
import type { Report } from './violations.ts';

/** The id of the second or a later message of an answer that was too large for one message. */
const LATER_MESSAGE = /^(.+\/\d+\/\d+)\.([2-9]|[1-9]\d+)$/;

interface Part extends Readonly<Record<string, unknown>> {
  readonly id: string;
  readonly type: string;
  readonly sequence?: string;
  readonly data: Record<string, unknown>;
}

/** Returns the answers by the place of the answered command, which the id of every event names. */
export function readAnswers(
  { events, commands }: History,
  deleted: DeletedRecords,
  report: Report,
): ReadonlyMap<string, Answer> {
  const known = new Set(commands.map(placeOf));
  const messages = new Map<string, Message[]>();
  for (const record of events) {
    const { ce_id: id = '' } = record.headers;
    const [, place = id, number = '1'] = LATER_MESSAGE.exec(id) ?? [];
    const body = readBody(record);
    if (!body) {
      report('unreadable-event', nameOf(record));
      continue;
    }
    if (!known.has(place) && !deleted.hasCommandAt(place))
      report('event-without-command', nameOf(record));
    const message = readMessage(record, Number(number), body);
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

function readMessage(
  record: HistoryRecord,
  number: number,
  body: Record<string, unknown>,
): Message {
  const { ce_type: type = '', ce_sequence: sequence } = record.headers;
  if (type !== 'CompositeDomainEvent')
    return { record, number, partIds: null, parts: [], events: [asEvent(type, sequence, body)] };
  const parts = body.events as Part[];
  return {
    record,
    number,
    partIds: parts.map((part) => part.id),
    parts: parts.map(attributesOf),
    events: parts.map((part) => asEvent(part.type, part.sequence, part.data)),
  };
}

function attributesOf({ data: _, ...attributes }: Part): PartAttributes {
  return attributes;
}

function asEvent(
  type: string,
  sequence: string | undefined,
  data: Record<string, unknown>,
): ModelEvent {
  const { detail: _, ...seen } = data;
  return { type, ...seen, ...(sequence === undefined ? {} : { sequence: Number(sequence) }) };
}

function answerOf(place: string, found: readonly Message[], report: Report): Answer {
  const messages = eachOnce(found, report);
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
      `${place}: ${messages.map((message) => nameOf(message.record)).join(', ')}`,
    );
  const ids = messages.flatMap<string | null>(({ partIds }) => partIds ?? [null]);
  const isWhole = ids.length > 1 && ids.every((id, index) => id === `${place}/${index + 1}`);
  const isSingle = messages.length === 1 && ids[0] === null;
  if (!isWhole && !isSingle) report('torn-composite', `${nameOf(record)}: ${ids}`);
  return { place, record, messages, events: messages.flatMap(({ events }) => events) };
}

/** Returns each message of an answer once, and reports the others. */
function eachOnce(messages: readonly Message[], report: Report): Message[] {
  return [...Map.groupBy(messages, ({ number }) => number).values()].map((same) => {
    const [message, ...again] = same as [Message, ...Message[]];
    for (const { record } of again)
      report('answered-twice', `${nameOf(record)}, and at ${placeOf(message.record)}`);
    return message;
  });
}

function nameOf(record: HistoryRecord): string {
  return `${record.headers.ce_id ?? 'an event'} at ${placeOf(record)}`;
}
