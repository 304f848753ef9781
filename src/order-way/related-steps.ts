import { Fates, isMarker, letterOfMarker } from '../dead-letters/markers.ts';
import { placeOf } from '../domain/place.ts';
import type { Broker, OffsetRange } from '../service-layer/broker.ts';
import type { ReceivedRecord } from '../service-layer/records.ts';
import { readInTime } from './tracks.ts';
import { EMPTY_FIELDS, type LinkedStep } from './way-step.ts';

/** Offsets that are closer than this are read together, because a connection costs more. */
const CLOSE_OFFSETS = 500;
/** How far behind a letter the search looks for its marker, in offsets of each partition. */
const MARKER_DISTANCE_OFFSETS = 100_000;

/**
 * Reads records by their places.
 *
 * @param wanted `topic/partition/offset`; those of other topics, or outside the ranges, are skipped
 * @throws {TroubleError} the log cannot be reached
 */
export async function readPlaces(
  broker: Pick<Broker, 'read'>,
  topic: string,
  ranges: readonly OffsetRange[],
  wanted: ReadonlySet<string>,
  take: (record: ReceivedRecord) => void,
): Promise<void> {
  const stretches = ranges.flatMap(({ partition, beginning, end }) =>
    stretchesOf(
      [...wanted]
        .flatMap((place) => offsetIn(place, topic, partition) ?? [])
        .filter((offset) => offset >= beginning && offset < end),
    ).map((stretch) => ({ partition, ...stretch })),
  );
  await readInTime(broker, topic, stretches, (record) => {
    if (wanted.has(placeOf(record))) take(record);
  });
}

function offsetIn(place: string, topic: string, partition: number): number | null {
  const prefix = `${topic}/${partition}/`;
  const offset = place.startsWith(prefix) ? place.slice(prefix.length) : '';
  return /^\d{1,15}$/.test(offset) ? Number(offset) : null;
}

function stretchesOf(offsets: readonly number[]) {
  const stretches: { beginning: number; end: number }[] = [];
  for (const offset of offsets.toSorted((one, other) => one - other)) {
    const last = stretches.at(-1);
    if (last && offset - last.end < CLOSE_OFFSETS) last.end = offset + 1;
    else stretches.push({ beginning: offset, end: offset + 1 });
  }
  return stretches;
}

/**
 * Reads what operators did about letters. A marker lies behind its letter in the same partition.
 * The marker of a letter without a key may lie in any partition. For such a letter, the search also
 * reads the last 100,000 offsets of each partition.
 *
 * @param letters steps of dead letters
 * @throws {TroubleError} the log cannot be reached
 */
export async function resolutionsOf(
  broker: Pick<Broker, 'read'>,
  topic: string,
  ranges: readonly OffsetRange[],
  letters: readonly LinkedStep[],
): Promise<readonly LinkedStep[]> {
  const byPlace = new Map(letters.map((letter) => [letter.place, letter]));
  const fates = new Fates();
  const steps = new Map<string, LinkedStep>();
  const isAnywhere = letters.some(({ key }) => key === null);
  const stretches = ranges.flatMap(({ partition, beginning, end }) => {
    const offsets = [...byPlace.keys()].flatMap((place) => offsetIn(place, topic, partition) ?? []);
    const near = isAnywhere ? Math.max(beginning, end - MARKER_DISTANCE_OFFSETS) : end;
    const first = Math.min(near, ...offsets);
    const last = isAnywhere ? end : Math.max(0, ...offsets) + MARKER_DISTANCE_OFFSETS;
    return first < end ? [{ partition, beginning: first, end: Math.min(end, last) }] : [];
  });
  await readInTime(broker, topic, stretches, (record) => {
    if (!isMarker(record)) return;
    const id = letterOfMarker(record);
    const letter = id === null ? undefined : byPlace.get(id);
    if (!letter || steps.has(letter.place)) return;
    fates.add(record);
    steps.set(letter.place, resolutionStep(record, letter, fates.of(letter.place)));
  });
  return [...steps.values()];
}

function resolutionStep(
  record: ReceivedRecord,
  letter: LinkedStep,
  { resolution, resolvedAt, resolvedBy, replacedBy }: ReturnType<Fates['of']>,
): LinkedStep {
  const { key, type, commandId, sku, commandPlace, redrives } = letter;
  const at = Date.parse(resolvedAt ?? '');
  const by = `by ${resolvedBy ?? 'an unknown operator'}`;
  return {
    ...EMPTY_FIELDS,
    kind: replacedBy === undefined ? (resolution ?? 'redriven') : 'edited',
    at: Number.isNaN(at) ? letter.at : new Date(at).toISOString(),
    place: placeOf(record),
    key,
    type,
    commandId,
    sku,
    details: replacedBy === undefined ? by : `${by}; ${replacedBy} was sent instead`,
    commandPlace,
    redrives,
    ...(replacedBy !== undefined && { replacedBy }),
  };
}
