import { createHash } from 'node:crypto';
import {
  formerIdentity,
  type Identity,
  identityOf,
  idOf,
  parkedIdentity,
  REDRIVE_SOURCE,
} from '../domain/identity.ts';
import { skusNamedBy } from '../domain/subjects.ts';
import {
  type Envelope,
  MalformedMessageError,
  NAME,
  readEnvelope,
} from '../messages/cloud-events.ts';
import { commandKey, readCommand } from '../messages/incoming.ts';
import type { Headers, LogRecord, ReceivedRecord } from '../service-layer/records.ts';
import { type CutList, REDRIVES, redrivesOf } from './dead-letter-headers.ts';

/**
 * The dead letters topic as a list from which letters can be taken.
 *
 * A topic does not delete single records. What was done with a letter is a record of its own, a marker in the same topic and
 * under the same key: without a value, with the headers below. A letter with a marker is off the list; a second marker changes
 * nothing. See docs/decisions/0005.
 */
const RESOLVES = 'dead-letter-resolves';
const RESOLUTION = 'dead-letter-resolution';
const RESOLVED_AT = 'dead-letter-resolved-at';
const RESOLVED_BY = 'dead-letter-resolved-by';
/** The id of the command that was sent in its place. */
const REPLACED_BY = 'dead-letter-replaced-by';
/** In the id of a command that takes the place of another one: what follows that one's id. */
const EDITED = '/edited-';

/** `/partition/offset` at its longest. */
export const MAX_PLACE_LENGTH = 1 + 10 + 1 + 16;

/** Why a command is parked that could be read. */
const PARKED_REASONS = ['handler-failed', 'parked-behind'];

export type Resolution = 'redriven' | 'discarded';

/** What a letter says of itself. */
export interface LetterHead {
  /** Its own place, `topic/partition/offset`. */
  readonly id: string;
  readonly reason: string;
  readonly message: string;
  /** The place of the message that it was. */
  readonly original: string;
  readonly attempts: number;
  readonly failedAt: string;
  /** The command's type and id, as far as they can be read. */
  readonly type: string | null;
  readonly commandId: string;
  /** What the command is parked under. */
  readonly identity: Identity;
  /** The products that it is about, as far as the service knew when it failed. */
  readonly skus: readonly string[];
  /** The failed commands that it waits for. */
  readonly behind: readonly Identity[];
  /** Which of these the letter had no room for: `skus` are then those that the command names. */
  readonly cut?: readonly CutList[];
  /** Its place among the parked commands; null: nothing waits for it. */
  readonly position: number | null;
  /** How often it has been sent again before. */
  readonly redrives: number;
  /** The record's, null: none. */
  readonly key: Buffer | null;
  readonly valueBytes: number | null;
}

/** What happened to a letter. */
export interface Fate {
  /** What was done with it, when and by whom; null: it waits. */
  readonly resolution: Resolution | null;
  readonly resolvedAt: string | null;
  readonly resolvedBy: string | null;
  /** The id of the command that was sent in its place, if one was. */
  readonly replacedBy?: string;
}

/** A letter without its headers and its value, for a list of many. */
export type ListedLetter = LetterHead & Fate;

export interface DeadLetter extends LetterHead, Fate {
  readonly record: ReceivedRecord;
}

/** The letters among the topic's records. */
export function asDeadLetters(records: readonly ReceivedRecord[]): readonly DeadLetter[] {
  const fates = new Map<string, Fate>();
  for (const record of records.filter(isMarker)) {
    const id = resolvedBy(record);
    // The first says what happened: whoever came second found nothing to do.
    if (!fates.has(id)) fates.set(id, fateOf(record));
  }
  return records
    .filter((record) => !isMarker(record))
    .map((record) => {
      const head = headOf(record);
      return { ...head, ...(fates.get(head.id) ?? UNRESOLVED), record };
    })
    .toSorted((one, other) => one.failedAt.localeCompare(other.failedAt));
}

/** The id of the letter that the marker is about. */
export function resolvedBy({ headers }: { readonly headers: Headers }): string {
  return text(headers, RESOLVES);
}

/** When the letter failed, by the service's clock. */
export function failedAtMs({
  headers,
  timestampMs,
}: Pick<ReceivedRecord, 'headers' | 'timestampMs'>): number {
  const failedAt = Date.parse(text(headers, 'dead-letter-failed-at'));
  return Number.isNaN(failedAt) ? timestampMs : failedAt;
}

/** A dead letter keeps its original's headers, which may be anybody's: only one without a reason of ours is a marker. */
export function isMarker({ headers }: { readonly headers: Headers }): boolean {
  return Object.hasOwn(headers, RESOLVES) && !Object.hasOwn(headers, 'dead-letter-reason');
}

/** The marker that takes a letter off the list, and the line of the audit. */
export function marker(
  { id, key }: Pick<LetterHead, 'id' | 'key'>,
  resolution: Resolution,
  by: string,
  at: Date,
  replacedBy: string | null = null,
): LogRecord {
  const audit = {
    [RESOLVED_AT]: at.toISOString(),
    [RESOLVED_BY]: by,
    ...(replacedBy !== null && { [REPLACED_BY]: replacedBy }),
  };
  return { key, value: null, headers: { [RESOLVES]: id, [RESOLUTION]: resolution, ...audit } };
}

/**
 * The message as it came: the original's bytes, key and headers. A plain command without an id gets, as headers, the id that it
 * had as the original: its place. So it is the same command however often it is sent again, and is answered once. With such headers
 * it is read as a CloudEvent in binary mode, whose version is a header too.
 */
export function redriven(letter: DeadLetter): LogRecord {
  const { key, value } = letter.record;
  const headers = { ...originalHeaders(letter), [REDRIVES]: String(letter.redrives + 1) };
  const envelope = envelopeOf({ value, headers });
  if (!envelope || envelope.id !== null || envelope.type === null || !NAME.test(envelope.type))
    return { key, value, headers };
  return {
    key,
    value,
    headers: { ...headers, ...attributes(letter.original, envelope.type, envelope.dataschema) },
  };
}

/**
 * Another command in its place, with an id of its own, made of the first and of what it says: the same each time, and another for
 * other words, or those would be taken for a repeat.
 * @param json a command as plain JSON
 * @throws it is not one
 */
export function edited(
  letter: DeadLetter,
  json: string,
): LogRecord & { readonly id: string; readonly identity: Identity } {
  const hash = createHash('sha256').update(letter.identity).update(json).digest('hex').slice(0, 8);
  const id = `${letter.commandId}${EDITED}${letter.redrives + 1}-${hash}`;
  if (!NAME.test(id))
    throw new Error(
      `${letter.id} cannot be corrected, its id is too long: publish the right command, and discard the letter`,
    );
  const value = Buffer.from(json);
  const read = readCommand({ value, headers: {} }, id);
  if (read.kind === 'unreadable')
    throw new Error(`The corrected message is no command, and nothing was sent: ${read.message}`);
  const kept = Object.fromEntries(
    Object.entries(originalHeaders(letter)).filter(([name]) => !/^(ce_|content-type$)/.test(name)),
  );
  const correlation = envelopeOf(letter.record)?.correlationId ?? letter.commandId;
  const links = { ce_correlationid: correlation, ce_originalid: letter.commandId };
  const dataschema = envelopeOf({ value, headers: {} })?.dataschema ?? null;
  const headers = {
    ...kept,
    ...attributes(id, read.command.type, dataschema),
    ...links,
    [REDRIVES]: String(letter.redrives + 1),
  };
  // The key of the first, so that it comes to the same lane, before what waits for it.
  return {
    id,
    identity: replacementIdentity(id),
    key: letter.record.key ?? commandKey(read.command),
    value,
    headers,
  };
}

/** The identity of a command that was sent in the place of another. */
export function replacementIdentity(id: string): Identity {
  return identityOf({ source: REDRIVE_SOURCE, id }, id);
}

function originalHeaders({ record }: DeadLetter): Headers {
  return Object.fromEntries(
    Object.entries(record.headers).filter(([name]) => !name.startsWith('dead-letter-')),
  );
}

function attributes(id: string, type: string, dataschema: string | null): Record<string, string> {
  const version = dataschema === null ? {} : { ce_dataschema: dataschema };
  return {
    'content-type': 'application/json',
    ce_specversion: '1.0',
    ce_id: id,
    ce_source: REDRIVE_SOURCE,
    ce_type: type,
    ...version,
  };
}

function envelopeOf(message: {
  readonly value: Buffer | null;
  readonly headers: Headers;
}): Envelope | null {
  try {
    return readEnvelope(message);
  } catch (error) {
    if (error instanceof MalformedMessageError) return null;
    throw error;
  }
}

/**
 * The partition of the topic that the message came through, so that it goes there again: what comes
 * behind it there cannot overtake it. Null: it came through another topic, or its letter does not say.
 */
export function partitionIn(topic: string, { original }: LetterHead): number | null {
  // A topic has no slash in its name.
  const [from, partition] = original.split('/');
  return from === topic && /^\d{1,9}$/.test(partition ?? '') ? Number(partition) : null;
}

/** The place of the message that the letter is about. */
export function originalOf({ headers }: { readonly headers: Headers }): string {
  return ['topic', 'partition', 'offset']
    .map((name) => text(headers, `dead-letter-${name}`))
    .join('/');
}

/** The fate of a letter without a marker. */
export const UNRESOLVED: Fate = { resolution: null, resolvedAt: null, resolvedBy: null };

/** What the marker says of its letter. */
export function fateOf({ headers, timestampMs }: ReceivedRecord): Fate {
  const replacedBy = text(headers, REPLACED_BY);
  return {
    resolution: text(headers, RESOLUTION) === 'redriven' ? 'redriven' : 'discarded',
    resolvedAt: text(headers, RESOLVED_AT) || new Date(timestampMs).toISOString(),
    resolvedBy: text(headers, RESOLVED_BY) || null,
    ...(replacedBy !== '' && { replacedBy }),
  };
}

/** What the letter says of itself. Nothing of it keeps the record's bytes, except its key. */
export function headOf(record: ReceivedRecord): LetterHead {
  const { topic, partition, offset, key, value, headers, timestampMs } = record;
  const of = (name: string) => text(headers, `dead-letter-${name}`);
  const reason = of('reason') || 'unknown';
  // A former release kept what a sender had forged, where it wrote nothing itself.
  const ofParked = (name: string) => (PARKED_REASONS.includes(reason) ? of(name) : '');
  const cut = (['skus', 'behind'] as const).filter((each) =>
    ofParked('cut').split(',').includes(each),
  );
  const original = originalOf(record);
  const envelope = envelopeOf(record);
  return {
    id: `${topic}/${partition}/${offset}`,
    reason,
    message: of('message'),
    original,
    attempts: Number(of('attempts')),
    failedAt: of('failed-at') || new Date(timestampMs).toISOString(),
    type: envelope?.type ?? null,
    commandId: ofParked('command-id') || (envelope?.id ?? original),
    identity: parkedIdentity(
      ofParked('command-identity') ||
        formerLettersIdentity(ofParked('command-id'), envelope, original),
    ),
    skus: cut.includes('skus') ? skusNamedIn(record) : list(ofParked('skus')),
    behind:
      ofParked('command-identity') === ''
        ? list(ofParked('behind')).map(formerIdentity)
        : list(ofParked('behind')),
    ...(cut.length > 0 && { cut }),
    position: ofParked('position') === '' ? null : Number(ofParked('position')),
    redrives: redrivesOf(record),
    key,
    valueBytes: value === null ? null : value.length,
  };
}

function skusNamedIn(record: ReceivedRecord): readonly string[] {
  const read = readCommand(record, originalOf(record));
  return read.kind === 'command' ? skusNamedBy(read.command) : [];
}

/** A former release wrote the id alone, and beside it mostly the whole message. */
function formerLettersIdentity(id: string, envelope: Envelope | null, original: string): Identity {
  const said = identityOf(envelope ?? { source: null, id: null }, original);
  return id === '' || idOf(said) === id ? said : formerIdentity(id);
}

/** The names under which others may wait for the letter's command: former releases name its id alone. */
export function namesOf({ identity, commandId }: LetterHead): readonly Identity[] {
  return [identity, formerIdentity(commandId)];
}

/** A header of the service's own; of a message that brings one like it, whatever that makes. */
function list(json: string): readonly string[] {
  try {
    const parsed: unknown = JSON.parse(json || '[]');
    return Array.isArray(parsed) ? parsed.map(String) : [];
  } catch {
    return [];
  }
}

/** A message may bring headers of these names itself: the service's own come last. */
function text(headers: Headers, name: string): string {
  const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
  return String((Array.isArray(value) ? value.at(-1) : value) ?? '');
}
