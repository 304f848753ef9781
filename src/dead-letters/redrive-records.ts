import { createHash } from 'node:crypto';
import { type Identity, identityOf, REDRIVE_SOURCE } from '../domain/identity.ts';
import { NAME } from '../messages/cloud-events.ts';
import { commandKey } from '../messages/front-door.ts';
import { readCommand } from '../messages/read-command.ts';
import type { Headers, LogRecord } from '../service-layer/records.ts';
import { REDRIVES } from './encode-dead-letter.ts';
import { EditError } from './errors.ts';
import { envelopeOf } from './message-envelope.ts';
import type { DeadLetter, LetterHead } from './read-dead-letter.ts';

/** Separates the id of a command from the rest of its replacement's id. */
const EDITED = '/edited-';

/** The record that is sent instead of a letter's message. */
export interface Replacement extends LogRecord {
  /** The id of the command in the record. */
  readonly id: string;
  readonly identity: Identity;
}

/**
 * Makes the record that sends a letter's message again: the original's bytes, key and headers.
 *
 * A plain command without an id was known by its place. Its record gets that place as `ce_id`, so
 * it stays the same command, and is answered once however often it is sent. The added headers make
 * the record a CloudEvent in binary mode, whose version must be a header too.
 */
export function redriveRecord(letter: DeadLetter): LogRecord {
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
 * Makes the record that is sent instead of a letter's message.
 *
 * The new command needs an id of its own. The id consists of the letter's command id and a digest
 * of the JSON: the same text has the same id each time. Another text needs another id. Otherwise
 * the service would take the command for a repeat.
 *
 * @param json a command as plain JSON
 * @throws {EditError} the JSON is not a command, or the new id is too long
 */
export function replacementRecord(letter: DeadLetter, json: string): Replacement {
  const id = replacementId(letter, json);
  const value = Buffer.from(json);
  const read = readCommand({ value, headers: {} }, id, 'strict');
  if (read.kind === 'unreadable')
    throw new EditError(
      `The edited message is not a command, so nothing was sent: ${read.message}`,
      read,
    );
  const kept = Object.fromEntries(
    Object.entries(originalHeaders(letter)).filter(([name]) => !/^(ce_|content-type$)/.test(name)),
  );
  const replaced = envelopeOf(letter.record);
  const correlation = replaced?.correlationId ?? letter.commandId;
  const links = {
    ce_correlationid: correlation,
    ce_originalid: letter.commandId,
    // A structured CloudEvent states its trace in the value, which the edit replaces.
    ...(replaced?.traceparent && { traceparent: replaced.traceparent }),
  };
  const dataschema = envelopeOf({ value, headers: {} })?.dataschema ?? null;
  const headers = {
    ...kept,
    ...attributes(id, read.command.type, dataschema),
    ...links,
    [REDRIVES]: String(letter.redrives + 1),
  };
  return {
    id,
    identity: replacementIdentity(id),
    // The letter's key leads to the same lane, ahead of what waits there.
    key: letter.record.key ?? commandKey(read.command),
    value,
    headers,
  };
}

/** Returns the identity of a command that was sent instead of another. */
export function replacementIdentity(id: string): Identity {
  return identityOf({ source: REDRIVE_SOURCE, id }, id);
}

/**
 * Returns the partition of the topic through which the letter's message came. A message that goes
 * there again stays ahead of what waits behind it. Null: the message came through another topic, or
 * the letter does not say.
 */
export function originalPartition(topic: string, { original }: LetterHead): number | null {
  // The name of a topic has no slash.
  const [from, partition] = original.split('/');
  return from === topic && /^\d{1,9}$/.test(partition ?? '') ? Number(partition) : null;
}

function replacementId(letter: DeadLetter, json: string): string {
  const hash = createHash('sha256').update(letter.identity).update(json).digest('hex').slice(0, 8);
  const id = `${letter.commandId}${EDITED}${letter.redrives + 1}-${hash}`;
  if (NAME.test(id)) return id;
  throw new EditError(
    `${letter.id} cannot be edited because its new id would be too long: ` +
      'publish the right command, and discard the letter',
  );
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
