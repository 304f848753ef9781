import {
  formerIdentity,
  type Identity,
  identityOf,
  idOf,
  parkedIdentity,
} from '../domain/identity.ts';
import { placeOf } from '../domain/place.ts';
import { skusNamedBy } from '../domain/subjects.ts';
import type { Envelope } from '../messages/cloud-events.ts';
import { readCommand } from '../messages/read-command.ts';
import { validTimeMs } from '../messages/valid-time.ts';
import type { Headers, ReceivedRecord } from '../service-layer/records.ts';
import { type CutList, redrivesOf } from './encode-dead-letter.ts';
import { headerText } from './header-text.ts';
import { type Fate, Fates, isMarker } from './markers.ts';
import { envelopeOf } from './message-envelope.ts';
import { subjectIn } from './message-subject.ts';

/** The reasons of commands that could be read, and are parked. */
const PARKED_REASONS = ['handler-failed', 'parked-behind'];

/** What a letter says about itself. */
export interface LetterHead {
  /** The letter's own place, `topic/partition/offset`. */
  readonly id: string;
  readonly reason: string;
  readonly message: string;
  /** The place where the message came in, `topic/partition/offset`. */
  readonly original: string;
  readonly attempts: number;
  /** ISO 8601. */
  readonly failedAt: string;
  /** The command's type. Null: nobody can read the type. */
  readonly type: string | null;
  /** The command's id. A command without a readable id has its original place here. */
  readonly commandId: string;
  /** The order that the command names. Null: it names none. */
  readonly orderid: string | null;
  /** The identity under which the command is parked. */
  readonly identity: Identity;
  /** The products of the command, as far as the service knew them when the command failed. */
  readonly skus: readonly string[];
  /** The failed commands that this command waits for. */
  readonly behind: readonly Identity[];
  /**
   * The lists that had no room in the letter. If the products had no room, `skus` has the products
   * that the letter's command names.
   */
  readonly cut?: readonly CutList[];
  /** The rank among the parked commands: lower is earlier. Null: the message was never parked. */
  readonly position: number | null;
  /** How often the message was redriven before. */
  readonly redrives: number;
  /** The key of the record. Null: the record has no key. */
  readonly key: Buffer | null;
  /** Null: the letter has no value. */
  readonly valueBytes: number | null;
}

/** A letter without its headers and its value. Long lists consist of these. */
export type ListedLetter = LetterHead & Fate;

/** What a plan, a redrive and a discard need to know of a letter. */
export type PlannedLetter = Omit<
  ListedLetter,
  'message' | 'attempts' | 'resolvedAt' | 'resolvedBy' | 'cut' | 'replacedBy'
> & {
  readonly cut?: readonly CutList[] | undefined;
  readonly replacedBy?: string | undefined;
};

/** A letter with its record. */
export interface DeadLetter extends LetterHead, Fate {
  readonly record: ReceivedRecord;
}

/** Returns the letters among these records of the topic, oldest first, and applies the markers. */
export function asDeadLetters(records: readonly ReceivedRecord[]): readonly DeadLetter[] {
  const fates = new Fates();
  for (const record of records.filter(isMarker)) fates.add(record);
  return records
    .filter((record) => !isMarker(record))
    .map((record) => {
      const head = headOf(record);
      return { ...head, ...fates.of(head.id), record };
    })
    .toSorted((one, other) => one.failedAt.localeCompare(other.failedAt));
}

/**
 * Returns when the letter failed, by the service's clock, in milliseconds since 1970. If the header
 * is missing or is not a time, returns the record's timestamp.
 */
export function failedAtMs({
  headers,
  timestampMs,
}: Pick<ReceivedRecord, 'headers' | 'timestampMs'>): number {
  const failedAt = Date.parse(headerText(headers, 'dead-letter-failed-at'));
  return Number.isNaN(failedAt) ? validTimeMs(timestampMs) : failedAt;
}

/** Returns the place of the letter's message, `topic/partition/offset`. */
export function originalOf({ headers }: { readonly headers: Headers }): string {
  return ['topic', 'partition', 'offset']
    .map((name) => headerText(headers, `dead-letter-${name}`))
    .join('/');
}

/**
 * Reads what a letter says about itself. The result keeps no bytes of the record but its key.
 *
 * @param envelope the envelope of the letter's message, if the caller has read the envelope; null:
 * the message is malformed
 */
export function headOf(record: ReceivedRecord, envelope = envelopeOf(record)): LetterHead {
  const { key, value, headers } = record;
  const text = (name: string) => headerText(headers, `dead-letter-${name}`);
  const reason = text('reason') || 'unknown';
  // A former release kept a sender's forged headers where it wrote none itself.
  const parkedText = (name: string) => (PARKED_REASONS.includes(reason) ? text(name) : '');
  const cut = (['skus', 'behind'] as const).filter((list) =>
    parkedText('cut').split(',').includes(list),
  );
  const original = originalOf(record);
  return {
    id: placeOf(record),
    reason,
    message: text('message'),
    original,
    attempts: Number(text('attempts')),
    failedAt: new Date(failedAtMs(record)).toISOString(),
    type: envelope?.type ?? null,
    commandId: parkedText('command-id') || (envelope?.id ?? original),
    orderid: subjectIn(envelope).orderid,
    identity: parkedIdentity(
      parkedText('command-identity') ||
        formerLettersIdentity(parkedText('command-id'), envelope, original),
    ),
    skus: cut.includes('skus') ? skusNamedIn(record) : readList(parkedText('skus')),
    behind:
      parkedText('command-identity') === ''
        ? readList(parkedText('behind')).map(formerIdentity)
        : readList(parkedText('behind')),
    ...(cut.length > 0 && { cut }),
    position: parkedText('position') === '' ? null : Number(parkedText('position')),
    redrives: redrivesOf(record),
    key,
    valueBytes: value === null ? null : value.length,
  };
}

/**
 * Returns the identities under which other commands may wait for the letter's command. Letters of
 * former releases name a command by its id alone.
 */
export function namesOf({
  identity,
  commandId,
}: Pick<LetterHead, 'identity' | 'commandId'>): readonly Identity[] {
  return [identity, formerIdentity(commandId)];
}

function skusNamedIn(record: ReceivedRecord): readonly string[] {
  const read = readCommand(record, originalOf(record));
  return read.kind === 'command' ? skusNamedBy(read.command) : [];
}

/** Returns the identity in a letter of a former release. It has the id, and mostly the message. */
function formerLettersIdentity(id: string, envelope: Envelope | null, original: string): Identity {
  const inMessage = identityOf(envelope ?? { source: null, id: null }, original);
  return id === '' || idOf(inMessage) === id ? inMessage : formerIdentity(id);
}

/** Reads a JSON list of strings. Any other text, which a sender has forged, counts as empty. */
function readList(json: string): readonly string[] {
  try {
    const parsed: unknown = JSON.parse(json || '[]');
    return Array.isArray(parsed) ? parsed.map(String) : [];
  } catch {
    return [];
  }
}
