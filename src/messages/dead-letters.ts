import { type Identity, idOf } from '../domain/identity.ts';
import type { WireMessage } from './cloud-events.ts';

export interface DeadLetter {
  /** `too-large`: the message has more bytes than a command may, or would let more order lines go. */
  readonly reason: 'malformed' | 'unknown-type' | 'invalid-data' | 'too-large' | 'handler-failed' | 'parked-behind';
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

/**
 * Reads how often `dead-letters redrive` has sent a message again. A header that the service cannot
 * have written, such as `1e3`, counts as none: a dead letter does not keep that header either.
 */
export function redrivesOf({ headers }: Pick<WireMessage, 'headers'>): number {
  const count = String((Object.hasOwn(headers, REDRIVES) ? headers[REDRIVES] : undefined) ?? '');
  return COUNT.test(count) ? Number(count) : 0;
}

/**
 * The original's bytes and headers, and why it is dead. Headers named like the service's own are
 * left out: nobody else may say what a letter is about, or what was done with it. A value that the dead letters topic would not take
 * stays where it is: the message says where to find it, so that it blocks nobody and does not disappear.
 */
export function encodeDeadLetter(original: DeadMessage, why: DeadLetter, maxMessageBytes: number) {
  const { topic, partition, offset, key, value } = original;
  const headers = { ...sendersHeaders(original), ...headersOf(original, why, why.message) };
  const headerBytes = Object.entries(headers).reduce((sum, [name, each]) => sum + Buffer.byteLength(name) + sizeOf(each) + 16, 512);
  if (sizeOf(value) + sizeOf(key) + headerBytes <= maxMessageBytes) return { key, value, headers };
  const place = `${topic}/${partition}/${offset}`;
  const message = `${why.message}. The value is too large for the dead letters; it is at ${place}`;
  return { key: null, value: null, headers: headersOf(original, why, message) };
}

function sendersHeaders({ headers }: DeadMessage): WireMessage['headers'] {
  const isSenders = ([name, value]: [string, unknown]) =>
    !name.startsWith('dead-letter-') || (name === REDRIVES && COUNT.test(String(value)));
  const entries = Object.entries(headers);
  return entries.every(isSenders) ? headers : Object.fromEntries(entries.filter(isSenders));
}

function headersOf({ topic, partition, offset }: DeadMessage, why: DeadLetter, message: string) {
  return {
    'dead-letter-reason': why.reason,
    'dead-letter-message': printable(message),
    'dead-letter-topic': topic,
    'dead-letter-partition': String(partition),
    'dead-letter-offset': String(offset),
    'dead-letter-attempts': String(why.attempts),
    'dead-letter-failed-at': why.failedAt,
    ...(why.parked && {
      'dead-letter-command-id': idOf(why.parked.id),
      'dead-letter-command-identity': why.parked.id,
      'dead-letter-skus': JSON.stringify(why.parked.skus),
      'dead-letter-behind': JSON.stringify(why.parked.behind),
      'dead-letter-position': String(why.parked.position),
    }),
  };
}

/** The place of the message that a dead letter was. Null: it is none, or a marker of what was done with one. */
export function readDeadLetterPlace({ headers }: WireMessage): { topic: string; partition: number; offset: number } | null {
  const [reason, topic, partition, offset] = ['reason', 'topic', 'partition', 'offset'].map((name) =>
    headers[`dead-letter-${name}`]?.toString(),
  );
  if (!reason || !topic || !NUMBER.test(partition ?? '') || !NUMBER.test(offset ?? '')) return null;
  return { topic, partition: Number(partition), offset: Number(offset) };
}

const NUMBER = /^\d{1,15}$/;

function sizeOf(value: WireMessage['headers'][string] | null): number {
  if (value === null || value === undefined) return 0;
  if (typeof value === 'string' || Buffer.isBuffer(value)) return Buffer.byteLength(value);
  return value.reduce((sum, each) => sum + Buffer.byteLength(each), 0);
}

function printable(text: string): string {
  return text
    .toWellFormed()
    .replace(/\p{Cc}/gu, '\uFFFD')
    .slice(0, 1_000)
    .toWellFormed();
}
