import { bytesOf } from '../adapters/record-bytes.ts';
import { placeOf } from '../domain/place.ts';
import type { Broker } from '../service-layer/broker.ts';
import type { ReceivedRecord } from '../service-layer/records.ts';
import { NoLetterError } from './errors.ts';
import { isMarker, letterOfMarker } from './markers.ts';
import {
  asDeadLetters,
  type DeadLetter,
  failedAtMs,
  type PlannedLetter,
} from './read-dead-letter.ts';

/** The limits of a page, for memory. A larger letter has a page of its own. */
const PAGE_LETTERS = 2_000;
const PAGE_BYTES = 4 * 1024 * 1024;

/** Where a letter lies, until its page is read: about 50 bytes. */
interface WaitingLetter {
  readonly partition: number;
  readonly offset: number;
  readonly failedAtMs: number;
  readonly bytes: number;
}

/**
 * Reads the letters that are on the list, page by page, oldest first.
 *
 * 1. Read the topic once. Keep where each letter lies, when it failed, and which letters have
 *    markers.
 * 2. Sort the letters without markers by time, and read one page after the other. Letters that
 *    failed one after the other lie together, so this reads the topic about once more.
 *
 * @throws {TroubleError} the log cannot be reached
 */
export async function* readWaitingLetters(
  broker: Broker,
  topic: string,
): AsyncGenerator<readonly DeadLetter[], void> {
  for (const page of pagesOf(await findWaiting(broker, topic)))
    yield await readPage(broker, topic, page);
}

/** Reads one letter, on the list or off it. Null: the topic has no letter with that id. */
export async function readDeadLetter(
  broker: Pick<Broker, 'read' | 'offsetRanges'>,
  topic: string,
  id: string,
): Promise<DeadLetter | null> {
  const letterAndMarkers: ReceivedRecord[] = [];
  await broker.read(topic, await broker.offsetRanges(topic), async ({ records }) => {
    letterAndMarkers.push(
      ...records.filter(
        (record) => (isMarker(record) ? letterOfMarker(record) : placeOf(record)) === id,
      ),
    );
  });
  return asDeadLetters(letterAndMarkers)[0] ?? null;
}

/** Returns the letter, unless it is null. @throws {NoLetterError} the topic has no letter `id` */
export function requireLetter<Letter extends PlannedLetter>(
  letter: Letter | null,
  id: string,
): Letter {
  if (letter) return letter;
  throw new NoLetterError(
    `There is no dead letter ${id}: "npx allocation dead-letters list" prints the ids on the list`,
    id,
  );
}

async function findWaiting(broker: Broker, topic: string): Promise<readonly WaitingLetter[]> {
  const letters: WaitingLetter[] = [];
  const offTheList = new Set<string>();
  await broker.read(topic, await broker.offsetRanges(topic), async ({ records }) => {
    for (const record of records) {
      const { partition, offset } = record;
      if (!isMarker(record)) {
        letters.push({ partition, offset, failedAtMs: failedAtMs(record), bytes: bytesOf(record) });
        continue;
      }
      const id = letterOfMarker(record);
      if (id !== null) offTheList.add(id);
    }
  });
  return letters
    .filter(({ partition, offset }) => !offTheList.has(placeOf({ topic, partition, offset })))
    .sort((one, other) => one.failedAtMs - other.failedAtMs);
}

function* pagesOf(letters: readonly WaitingLetter[]): Generator<readonly WaitingLetter[], void> {
  let page: WaitingLetter[] = [];
  let bytes = 0;
  for (const letter of letters) {
    if (page.length > 0 && (page.length === PAGE_LETTERS || bytes + letter.bytes > PAGE_BYTES)) {
      yield page;
      page = [];
      bytes = 0;
    }
    page.push(letter);
    bytes += letter.bytes;
  }
  if (page.length > 0) yield page;
}

/** Reads the letters at these places of the topic. Ignores markers, so every letter is open. */
export async function readPage(
  broker: Pick<Broker, 'read'>,
  topic: string,
  page: readonly Pick<WaitingLetter, 'partition' | 'offset'>[],
): Promise<readonly DeadLetter[]> {
  const offsetsByPartition = new Map<number, Set<number>>();
  for (const { partition, offset } of page)
    offsetsByPartition.set(partition, (offsetsByPartition.get(partition) ?? new Set()).add(offset));
  const ranges = [...offsetsByPartition].map(([partition, offsets]) => {
    let [beginning, end] = [Number.POSITIVE_INFINITY, 0];
    for (const offset of offsets)
      [beginning, end] = [Math.min(beginning, offset), Math.max(end, offset + 1)];
    return { partition, beginning, end };
  });
  const letters: ReceivedRecord[] = [];
  await broker.read(topic, ranges, async ({ partition, records }) => {
    letters.push(...records.filter(({ offset }) => offsetsByPartition.get(partition)?.has(offset)));
  });
  return asDeadLetters(letters);
}

/** Returns where a letter lies in its topic. */
export function placeIn({ id }: { readonly id: string }): {
  readonly partition: number;
  readonly offset: number;
} {
  const [partition, offset] = id.split('/').slice(-2).map(Number) as [number, number];
  return { partition, offset };
}
