import { expect } from 'vitest';
import { checkHistory } from './judge/check-history.ts';
import type { HistoryRecord } from './judge/history.ts';
import type { ViolationKind } from './judge/violations.ts';
import { type Draft, LAST, rightHistory, TRACED } from './right-history.ts';

/** What is wrong with a history, the violation that the judge must find, and how it comes about. */
export type Damage = readonly [
  title: string,
  kind: ViolationKind,
  damage: (history: Draft) => unknown,
];

type Change = (record: HistoryRecord) => HistoryRecord;

/** Asserts that the judge finds the violation in a right history with this damage. */
export function expectFound(kind: ViolationKind, damage: Damage[2]): void {
  const history = rightHistory();
  damage(history);
  expect(checkHistory(history).map((violation) => violation.kind)).toContain(kind);
}

/** Returns the element at the index, which must be there. */
export function at<T>(list: readonly T[], index: number): T {
  return list[index] as T;
}

/** Changes the record at the index. */
export function change(records: HistoryRecord[], index: number, how: Change): void {
  records[index] = how(at(records, index));
}

/** Adds a copy of the record behind all others. */
export function addCopy(records: HistoryRecord[], original: HistoryRecord): void {
  records.push({ ...original, offset: records.length });
}

/** Swaps the places of the record at the index and the next one. */
export function swapWithNext(records: HistoryRecord[], index: number): void {
  records.splice(index, 2, at(records, index + 1), at(records, index));
  renumber(records);
}

/** Changes the value of a record. */
export function withBody(edit: (body: Record<string, never>) => unknown): Change {
  return (record) => {
    const body = JSON.parse(String(record.value));
    edit(body);
    return { ...record, value: Buffer.from(JSON.stringify(body)) };
  };
}

/** Sets or removes a header of a record. */
export function withHeader(name: string, text: string | undefined): Change {
  return (record) => {
    const { [name]: _, ...headers } = record.headers;
    return { ...record, headers: text === undefined ? headers : { ...headers, [name]: text } };
  };
}

/** Damages the answer to the command with a trace. */
export function damageAnswer(how: Change) {
  return ({ events }: Draft) =>
    change(
      events,
      events.findIndex(({ headers }) => headers.ce_id === `commands/0/${TRACED}`),
      how,
    );
}

/** Damages the first composite. */
export function damageComposite(how: Change) {
  return ({ events }: Draft) => change(events, events.findIndex(isComposite), how);
}

/** Damages the second part of the first composite. */
export function damagePart(how: (part: Record<string, unknown>) => unknown) {
  return damageComposite(withBody((body) => how(at(partsOf(body), 1))));
}

/** Returns the parts of a composite. */
export function partsOf(body: Record<string, never>): Record<string, unknown>[] {
  return body.events as unknown as Record<string, unknown>[];
}

/**
 * Splits the first composite into two messages, as the service does if it is too large for one.
 * @returns the index of the first message
 */
export function splitFirstComposite({ events }: Draft): number {
  const index = events.findIndex(isComposite);
  const whole = at(events, index);
  const partsFrom = (from: number, to?: number) =>
    withBody((body) => Object.assign(body, { events: partsOf(body).slice(from, to) }));
  const asSecond = withHeader('ce_id', `${whole.headers.ce_id}.2`);
  events.splice(index, 1, partsFrom(0, 1)(whole), asSecond(partsFrom(1)(whole)));
  renumber(events);
  return index;
}

/** Moves the command at `offset` to the dead letters, and removes its answer. */
export function moveToDeadLetters(
  { commands, events, deadLetters }: Draft,
  offset: number,
  reason: string,
): void {
  const answer = events.findIndex(({ headers }) => headers.ce_id === `commands/0/${offset}`);
  if (answer >= 0) events.splice(answer, 1);
  const { key, value, headers } = commands[offset] ?? at(commands, 0);
  const why = {
    ...at(deadLetters, 0).headers,
    'dead-letter-reason': reason,
    'dead-letter-offset': String(offset),
  };
  deadLetters.push({
    topic: 'dead',
    partition: 0,
    offset: deadLetters.length,
    key,
    value,
    headers: { ...headers, ...why },
  });
}

/** Lets the last command fail. It is the one that changes nothing in the database. */
export function failLast(history: Draft, reason: string): void {
  moveToDeadLetters(history, LAST, reason);
  history.tables.processedIds.delete(`id-${LAST}`);
}

/** Lets retention delete the first `count` records of the topic. */
export function applyRetention(history: Draft, topic: 'commands' | 'events', count: number): void {
  history[topic].splice(0, count);
  history.starts ??= { commands: new Map(), events: new Map(), deadLetters: new Map() };
  history.starts[topic].set(0, count);
}

function isComposite({ headers }: HistoryRecord): boolean {
  return headers.ce_type === 'CompositeDomainEvent';
}

function renumber(records: HistoryRecord[]): void {
  for (const [offset, record] of records.entries()) records[offset] = { ...record, offset };
}
