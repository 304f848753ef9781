import { type Identity, idOf } from '../domain/identity.ts';
import { TOO_LARGE_RECORD, type WireMessage } from '../messages/cloud-events.ts';

export interface DeadLetter {
  /** `too-large`: the message has more bytes than a command may, or would let more order lines go. */
  readonly reason:
    | 'malformed'
    | 'unknown-type'
    | 'invalid-data'
    | 'too-large'
    | 'handler-failed'
    | 'parked-behind';
  readonly message: string;
  readonly attempts: number;
  /** ISO 8601. */
  readonly failedAt: string;
  /** Of a command that a handler failed on, or that is parked: what it takes to send it again in order. */
  readonly parked: Parked | null;
}

interface Parked {
  /** The command's, also where its value does not fit into the letter. */
  readonly id: Identity;
  readonly skus: readonly string[];
  /** The failed commands that it waits for. */
  readonly behind: readonly Identity[];
  /** Among the parked commands. */
  readonly position: number;
}

interface DeadMessage extends WireMessage {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: Buffer | null;
}

/** On a message that `dead-letters redrive` has sent again: how often. */
export const REDRIVES = 'dead-letter-redrives';
const COUNT = /^\d{1,6}$/;

/** On a letter of a parked command: which of its lists were too large for it, `skus` or `skus,behind`. */
const CUT = 'dead-letter-cut';
export type CutList = 'skus' | 'behind';

/** What a letter does without, the least first. The products come first: the command mostly names them. */
const FORMS: readonly Form[] = [true, false].flatMap((hasValue) => [
  { hasValue, cut: [] },
  { hasValue, cut: ['skus'] },
  { hasValue, cut: ['skus', 'behind'] },
]);
/** Some 10 KB where every name is as long as it may be: any topic takes that. */
const SHORTEST: Form = { hasValue: false, cut: ['skus', 'behind'] };

interface Form {
  readonly hasValue: boolean;
  readonly cut: readonly CutList[];
}

/**
 * Reads how often `dead-letters redrive` has sent a message again. A header that the service cannot
 * have written, such as `1e3`, counts as none: a dead letter does not keep that header either.
 */
export function redrivesOf({ headers }: Pick<WireMessage, 'headers'>): number {
  const count = String((Object.hasOwn(headers, REDRIVES) ? headers[REDRIVES] : undefined) ?? '');
  return COUNT.test(count) ? Number(count) : 0;
}

/**
 * Makes a letter of the original's bytes and headers, and of why it is dead. Headers named like the
 * service's own are left out: nobody else may say what a letter is about, or what was done with it.
 *
 * A letter that the topic would not take does without its lists, or without its value and the
 * sender's headers. Its message then says where these are, so that it blocks nobody.
 */
export function encodeDeadLetter(original: DeadMessage, why: DeadLetter, maxMessageBytes: number) {
  for (const form of FORMS) {
    const letter = letterOf(original, why, form);
    if (sizeOf(letter) <= maxMessageBytes) return letter;
  }
  return letterOf(original, why, SHORTEST);
}

const NO_ROOM = 'The letter has no room for all the products that it is about';
const NO_ROOM_FOR_BEHIND =
  ', nor for what it waits for: redrive it by its place, after what failed before it';

function letterOf(original: DeadMessage, why: DeadLetter, form: Form) {
  const { hasValue } = form;
  const cut = why.parked === null ? [] : form.cut;
  const { topic, partition, offset, key, value } = original;
  const place = `${topic}/${partition}/${offset}`;
  const notes = [
    ...(hasValue ? [] : [`The value is too large for the dead letters; it is at ${place}`]),
    ...(cut.length > 0 ? [NO_ROOM + (cut.includes('behind') ? NO_ROOM_FOR_BEHIND : '')] : []),
  ];
  const headers = headersOf(original, why, cut, notes);
  return hasValue
    ? { key, value, headers: { ...sendersHeaders(original), ...headers } }
    : { key: null, value: null, headers };
}

function sendersHeaders({ headers }: DeadMessage): WireMessage['headers'] {
  const isSenders = ([name, value]: [string, unknown]) =>
    name !== TOO_LARGE_RECORD &&
    (!name.startsWith('dead-letter-') || (name === REDRIVES && COUNT.test(String(value))));
  const entries = Object.entries(headers);
  return entries.every(isSenders) ? headers : Object.fromEntries(entries.filter(isSenders));
}

function headersOf(
  { topic, partition, offset }: DeadMessage,
  why: DeadLetter,
  cut: readonly CutList[],
  notes: readonly string[],
): Record<string, string> {
  return {
    'dead-letter-reason': why.reason,
    'dead-letter-message': [printable(why.message), ...notes].join('. '),
    'dead-letter-topic': topic,
    'dead-letter-partition': String(partition),
    'dead-letter-offset': String(offset),
    'dead-letter-attempts': String(why.attempts),
    'dead-letter-failed-at': why.failedAt,
    ...(why.parked && {
      'dead-letter-command-id': idOf(why.parked.id),
      'dead-letter-command-identity': why.parked.id,
      ...(!cut.includes('skus') && { 'dead-letter-skus': JSON.stringify(why.parked.skus) }),
      ...(!cut.includes('behind') && { 'dead-letter-behind': JSON.stringify(why.parked.behind) }),
      ...(cut.length > 0 && { [CUT]: cut.join(',') }),
      'dead-letter-position': String(why.parked.position),
    }),
  };
}

/** The place of the message that a dead letter was. Null: it is none, or a marker of what was done with one. */
export function readDeadLetterPlace({
  headers,
}: WireMessage): { topic: string; partition: number; offset: number } | null {
  const [reason, topic, partition, offset] = ['reason', 'topic', 'partition', 'offset'].map(
    (name) => headers[`dead-letter-${name}`]?.toString(),
  );
  if (!reason || !topic || !NUMBER.test(partition ?? '') || !NUMBER.test(offset ?? '')) return null;
  return { topic, partition: Number(partition), offset: Number(offset) };
}

const NUMBER = /^\d{1,15}$/;

/** What a batch with nothing but a record has besides, and each header: upper bounds. */
const RECORD_OVERHEAD_BYTES = 512;
const HEADER_OVERHEAD_BYTES = 16;

/** How many bytes the topic's log needs for it, at most. A header that came several times is there several times. */
function sizeOf({ key, value, headers }: WireMessage & { readonly key: Buffer | null }): number {
  let bytes = RECORD_OVERHEAD_BYTES + (key?.length ?? 0) + (value?.length ?? 0);
  for (const [name, each] of Object.entries(headers)) {
    for (const one of Array.isArray(each) ? each : [each ?? ''])
      bytes += HEADER_OVERHEAD_BYTES + Buffer.byteLength(name) + Buffer.byteLength(one);
  }
  return bytes;
}

function printable(text: string): string {
  return text
    .toWellFormed()
    .replace(/\p{Cc}/gu, '\uFFFD')
    .slice(0, 1_000)
    .toWellFormed();
}
