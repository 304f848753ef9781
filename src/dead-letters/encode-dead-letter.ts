import { type Identity, idOf } from '../domain/identity.ts';
import { placeOf } from '../domain/place.ts';
import type { WireMessage } from '../messages/cloud-events.ts';
import type { DeadLetterReason } from '../messages/dead-letter-reasons.ts';

/** Why a message is a dead letter. */
export interface DeadLetterCause {
  /**
   * `too-large`: the message has more bytes than a command may have, or its command would
   * deallocate more order lines than one command may.
   */
  readonly reason: DeadLetterReason;
  readonly message: string;
  readonly attempts: number;
  /** ISO 8601. */
  readonly failedAt: string;
  /** What a redrive must know to keep the order. Null: the command is not parked. */
  readonly parked: ParkedCause | null;
}

interface ParkedCause {
  /** The command's identity. A letter without a value has the identity, too. */
  readonly id: Identity;
  readonly skus: readonly string[];
  /** The failed commands that the command waits for. */
  readonly behind: readonly Identity[];
  /** The command's rank among the parked commands: lower is earlier. */
  readonly position: number;
}

interface DeadMessage extends WireMessage {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: Buffer | null;
}

/** Counts how often `dead-letters redrive` has sent the message again. */
export const REDRIVES = 'dead-letter-redrives';
const COUNT = /^\d{1,6}$/;

/** Names the lists of a parked command that had no room in its letter: `skus` or `skus,behind`. */
const CUT = 'dead-letter-cut';
/** A list that had no room in its letter. */
export type CutList = 'skus' | 'behind';

/**
 * What a letter leaves out to fit into its topic, the smallest loss first. The products are left
 * out first, because the command mostly names them.
 */
const FORMS: readonly Form[] = [true, false].flatMap((hasValue) => [
  { hasValue, cut: [] },
  { hasValue, cut: ['skus'] },
  { hasValue, cut: ['skus', 'behind'] },
]);
/** The form of last resort: about 10 KB with the longest names, which any topic takes. */
const SHORTEST: Form = { hasValue: false, cut: ['skus', 'behind'] };

interface Form {
  readonly hasValue: boolean;
  readonly cut: readonly CutList[];
}

/**
 * Reads how often `dead-letters redrive` has sent a message again. A header that the service cannot
 * have written, such as `1e3`, counts as 0. A dead letter does not keep such a header.
 */
export function redrivesOf({ headers }: Pick<WireMessage, 'headers'>): number {
  const count = String((Object.hasOwn(headers, REDRIVES) ? headers[REDRIVES] : undefined) ?? '');
  return COUNT.test(count) ? Number(count) : 0;
}

/**
 * Makes the dead letter of a message: the message's bytes and headers, and headers with the cause.
 * A sender's headers with the service's own names are left out. Only the service may say what a
 * letter is about and what was done with it.
 *
 * A letter that is too large for its topic leaves out its lists, or its value and the sender's
 * headers. Its text then says where the value is. Otherwise the letter would block its lane.
 *
 * @param maxMessageBytes the largest message that the dead letters topic takes, in bytes
 */
export function encodeDeadLetter(
  original: DeadMessage,
  cause: DeadLetterCause,
  maxMessageBytes: number,
) {
  for (const form of FORMS) {
    const letter = letterOf(original, cause, form);
    if (sizeOf(letter) <= maxMessageBytes) return letter;
  }
  return letterOf(original, cause, SHORTEST);
}

const NO_ROOM = 'The letter has no room for all the products that it is about';
const NO_ROOM_FOR_BEHIND =
  ', nor for what it waits for: redrive it by its place, after what failed before it';

function letterOf(original: DeadMessage, cause: DeadLetterCause, form: Form) {
  const { hasValue } = form;
  const cut = cause.parked === null ? [] : form.cut;
  const { key, value } = original;
  const place = placeOf(original);
  const notes = [
    ...(hasValue ? [] : [`The value is too large for the dead letters; it is at ${place}`]),
    ...(cut.length > 0 ? [NO_ROOM + (cut.includes('behind') ? NO_ROOM_FOR_BEHIND : '')] : []),
  ];
  const headers = headersOf(original, cause, cut, notes);
  return hasValue
    ? { key, value, headers: { ...sendersHeaders(original), ...headers } }
    : { key: null, value: null, headers };
}

function sendersHeaders({ headers }: DeadMessage): WireMessage['headers'] {
  const isSenders = ([name, value]: [string, unknown]) =>
    !name.startsWith('dead-letter-') || (name === REDRIVES && COUNT.test(String(value)));
  const entries = Object.entries(headers);
  return entries.every(isSenders) ? headers : Object.fromEntries(entries.filter(isSenders));
}

function headersOf(
  { topic, partition, offset }: DeadMessage,
  cause: DeadLetterCause,
  cut: readonly CutList[],
  notes: readonly string[],
): Record<string, string> {
  return {
    'dead-letter-reason': cause.reason,
    'dead-letter-message': [printable(cause.message), ...notes].join('. '),
    'dead-letter-topic': topic,
    'dead-letter-partition': String(partition),
    'dead-letter-offset': String(offset),
    'dead-letter-attempts': String(cause.attempts),
    'dead-letter-failed-at': cause.failedAt,
    ...(cause.parked && {
      'dead-letter-command-id': idOf(cause.parked.id),
      'dead-letter-command-identity': cause.parked.id,
      ...(!cut.includes('skus') && { 'dead-letter-skus': JSON.stringify(cause.parked.skus) }),
      ...(!cut.includes('behind') && { 'dead-letter-behind': JSON.stringify(cause.parked.behind) }),
      ...(cut.length > 0 && { [CUT]: cut.join(',') }),
      'dead-letter-position': String(cause.parked.position),
    }),
  };
}

/** Reads the place of a dead letter's message. Null: the record is not a dead letter. */
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

/** Upper bounds of what Kafka adds to a record in a record batch of its own, and to each header. */
const RECORD_OVERHEAD_BYTES = 512;
const HEADER_OVERHEAD_BYTES = 16;

/** Returns the most bytes that the letter may take in its topic, with each value of each header. */
function sizeOf({ key, value, headers }: WireMessage & { readonly key: Buffer | null }): number {
  let bytes = RECORD_OVERHEAD_BYTES + (key?.length ?? 0) + (value?.length ?? 0);
  for (const [name, each] of Object.entries(headers)) {
    for (const one of Array.isArray(each) ? each : [each ?? ''])
      bytes += HEADER_OVERHEAD_BYTES + Buffer.byteLength(name) + Buffer.byteLength(one);
  }
  return bytes;
}

const MAX_MESSAGE_LENGTH = 1_000;

function printable(text: string): string {
  return text
    .toWellFormed()
    .replace(/\p{Cc}/gu, '\uFFFD')
    .slice(0, MAX_MESSAGE_LENGTH)
    .toWellFormed();
}
