import { MalformedMessageError, NAME, readEnvelope } from '../messages/cloud-events.ts';
import type { Broker, Headers, LogRecord, ReceivedRecord } from '../service-layer/unit-of-work.ts';
import { readTopic } from './read-topic.ts';

/**
 * The dead letters topic as a list from which letters can be taken.
 *
 * A topic does not delete single records. What was done with a letter is a record of its own, a marker in the same topic and
 * under the same key: without a value, with the headers below. A letter with a marker is off the list; a second marker changes
 * nothing. See docs/decisions/0005.
 */
const RESOLVES = 'dead-letter-resolves';
const RESOLUTION = 'dead-letter-resolution';

export type Resolution = 'redriven' | 'discarded';

export interface DeadLetter {
  /** Its own place, `topic/partition/offset`. */
  readonly id: string;
  readonly reason: string;
  readonly message: string;
  /** The place of the message that it was. */
  readonly original: string;
  readonly attempts: number;
  readonly failedAt: string;
  /** What was done with it; null: it waits. */
  readonly resolution: Resolution | null;
  readonly record: ReceivedRecord;
}

/** Every dead letter that the topic holds, oldest first. */
export async function readDeadLetters(broker: Broker, topic: string): Promise<readonly DeadLetter[]> {
  const records = await readTopic(broker, topic);
  const resolutions = new Map<string, Resolution>();
  for (const { headers } of records.filter(isMarker)) {
    const id = text(headers, RESOLVES);
    // The first says what happened: whoever came second found nothing to do.
    if (!resolutions.has(id)) resolutions.set(id, text(headers, RESOLUTION) === 'redriven' ? 'redriven' : 'discarded');
  }
  return records
    .filter((record) => !isMarker(record))
    .map((record) => letter(record, resolutions))
    .toSorted((one, other) => one.failedAt.localeCompare(other.failedAt));
}

/** A dead letter keeps its original's headers, which may be anybody's: only one without a reason of ours is a marker. */
export function isMarker({ headers }: { readonly headers: Headers }): boolean {
  return Object.hasOwn(headers, RESOLVES) && !Object.hasOwn(headers, 'dead-letter-reason');
}

/** The marker that takes a letter off the list. */
export function marker({ id, record }: DeadLetter, resolution: Resolution): LogRecord {
  return { key: record.key, value: null, headers: { [RESOLVES]: id, [RESOLUTION]: resolution } };
}

/**
 * The message as it came: the original's bytes, key and headers. A plain command without an id gets, as headers, the id that it
 * had as the original: its place. So it is the same command however often it is sent again, and is answered once.
 */
export function redriven({ original, record }: DeadLetter): LogRecord {
  const headers = Object.fromEntries(Object.entries(record.headers).filter(([name]) => !name.startsWith('dead-letter-')));
  const { key, value } = record;
  const type = typeOfCommandWithoutId({ value, headers });
  if (type === null) return { key, value, headers };
  const identity = { ce_specversion: '1.0', ce_id: original, ce_source: '/allocation/dead-letters', ce_type: type };
  return { key, value, headers: { 'content-type': 'application/json', ...headers, ...identity } };
}

function typeOfCommandWithoutId(message: { readonly value: Buffer | null; readonly headers: Headers }): string | null {
  try {
    const { id, type } = readEnvelope(message);
    return id === null && type !== null && NAME.test(type) ? type : null;
  } catch (error) {
    if (error instanceof MalformedMessageError) return null;
    throw error;
  }
}

function letter(record: ReceivedRecord, resolutions: ReadonlyMap<string, Resolution>): DeadLetter {
  const { topic, partition, offset, headers, timestampMs } = record;
  const of = (name: string) => text(headers, `dead-letter-${name}`);
  const id = `${topic}/${partition}/${offset}`;
  return {
    id,
    reason: of('reason') || 'unknown',
    message: of('message'),
    original: `${of('topic')}/${of('partition')}/${of('offset')}`,
    attempts: Number(of('attempts')),
    failedAt: of('failed-at') || new Date(timestampMs).toISOString(),
    resolution: resolutions.get(id) ?? null,
    record,
  };
}

/** A message may bring headers of these names itself: the service's own come last. */
function text(headers: Headers, name: string): string {
  const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
  return String((Array.isArray(value) ? value.at(-1) : value) ?? '');
}
