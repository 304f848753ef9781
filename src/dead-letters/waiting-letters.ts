import { bytesOf } from '../adapters/record-bytes.ts';
import type { Broker } from '../service-layer/broker.ts';
import type { ReceivedRecord } from '../service-layer/records.ts';
import {
  asDeadLetters,
  type DeadLetter,
  failedAtMs,
  isMarker,
  MAX_PLACE_LENGTH,
  resolvedBy,
} from './dead-letter-box.ts';

/** So many letters, or so many bytes of them, are in memory at once; one letter is in any case. */
const PAGE_LETTERS = 2_000;
const PAGE_BYTES = 4 * 1024 * 1024;

/** What is kept of a letter until its turn comes: some 50 bytes. */
interface Waiting {
  readonly partition: number;
  readonly offset: number;
  readonly failedAtMs: number;
  readonly bytes: number;
}

/**
 * Reads the letters that wait, page by page, oldest first.
 *
 * 1. Read the topic once, and keep where each letter lies, when it failed, and which were resolved.
 * 2. Sort what is left by time, and read it again, one page after the other. Letters that failed one
 *    after the other lie together, so that is once more in all.
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

/** Reads one letter, also one that is off the list. Null: the topic holds none of that id. */
export async function readDeadLetter(
  broker: Broker,
  topic: string,
  id: string,
): Promise<DeadLetter | null> {
  const about: ReceivedRecord[] = [];
  await broker.read(topic, await broker.offsetRanges(topic), async ({ records }) => {
    about.push(
      ...records.filter((record) =>
        isMarker(record) ? resolvedBy(record) === id : placeOf(record) === id,
      ),
    );
  });
  return asDeadLetters(about)[0] ?? null;
}

async function findWaiting(broker: Broker, topic: string): Promise<readonly Waiting[]> {
  const letters: Waiting[] = [];
  const resolved = new Set<string>();
  await broker.read(topic, await broker.offsetRanges(topic), async ({ records }) => {
    for (const record of records) {
      const { partition, offset } = record;
      if (!isMarker(record))
        letters.push({ partition, offset, failedAtMs: failedAtMs(record), bytes: bytesOf(record) });
      // A forged marker may name anything, of any length.
      else if (resolvedBy(record).length <= topic.length + MAX_PLACE_LENGTH)
        resolved.add(resolvedBy(record));
    }
  });
  return letters
    .filter(({ partition, offset }) => !resolved.has(placeOf({ topic, partition, offset })))
    .sort((one, other) => one.failedAtMs - other.failedAtMs);
}

function* pagesOf(letters: readonly Waiting[]): Generator<readonly Waiting[], void> {
  let page: Waiting[] = [];
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

/** Reads the letters that lie at these places of the topic. Markers that lie elsewhere are not read. */
export async function readPage(
  broker: Broker,
  topic: string,
  page: readonly Pick<Waiting, 'partition' | 'offset'>[],
): Promise<readonly DeadLetter[]> {
  const wanted = new Map<number, Set<number>>();
  for (const { partition, offset } of page)
    wanted.set(partition, (wanted.get(partition) ?? new Set()).add(offset));
  const ranges = [...wanted].map(([partition, offsets]) => {
    let [beginning, end] = [Number.POSITIVE_INFINITY, 0];
    for (const offset of offsets)
      [beginning, end] = [Math.min(beginning, offset), Math.max(end, offset + 1)];
    return { partition, beginning, end };
  });
  const found: ReceivedRecord[] = [];
  await broker.read(topic, ranges, async ({ partition, records }) => {
    found.push(...records.filter(({ offset }) => wanted.get(partition)?.has(offset)));
  });
  return asDeadLetters(found);
}

function placeOf({
  topic,
  partition,
  offset,
}: Pick<ReceivedRecord, 'topic' | 'partition' | 'offset'>): string {
  return `${topic}/${partition}/${offset}`;
}
