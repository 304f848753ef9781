import type { Database } from '../adapters/database/database.ts';
import type { EventFold } from '../adapters/database/replay/event-fold.ts';
import { readEventEnds } from '../adapters/database/replay/lane-positions.ts';
import type { Broker } from '../service-layer/broker.ts';
import { ReplayRefusedError } from './errors.ts';
import { describeConflict } from './folded-events.ts';
import { countOffsets } from './offset-ranges.ts';
import type { RebuildPlan } from './rebuild-plan.ts';

/** How many products with missing events a refusal names. */
const GAPS_NAMED = 3;
/** How many pairs of different events with one sequence a refusal names. */
const CONFLICTS_NAMED = 3;
const USE_A_YOUNGER_COPY =
  'Use a younger copy of the database, such as a backup or a snapshot ("replay snapshot"): ' +
  'name it with --into, and add --from-copy';

/**
 * Refuses an events topic without a single event although the group has answered commands. A
 * rebuild from such a topic would have no stock, and its lanes would skip the answered commands.
 *
 * `target-check.ts` refuses target databases, and `foreign-records.ts` refuses foreign records.
 *
 * @throws {ReplayRefusedError} the answers of the group went to another topic, or are lost
 */
export async function refuseEmptyTopic(broker: Broker, plan: RebuildPlan): Promise<void> {
  const { eventsTopic, deadLettersTopic, ranges, positions, group } = plan;
  const hasAnswered = positions.some(({ nextOffset }) => nextOffset > 0);
  if (!hasAnswered || ranges.some(({ end }) => end > 0)) return;
  // A group that has met only unreadable commands has written dead letters and no event.
  if (countOffsets(await broker.offsetRanges(deadLettersTopic)) > 0) return;
  throw new ReplayRefusedError(
    `${eventsTopic} is empty, but the group ${group} has answered commands: ` +
      'the topic was re-created or belongs to another group. Set EVENTS_TOPIC and KAFKA_GROUP_ID',
  );
}

/**
 * Refuses an events topic that has lost events which the rebuild needs. A database of the past
 * (`until`) leaves out events behind a gap, and so needs no particular event.
 *
 * A product that has lost all its events leaves no gap, so gaps alone do not tell. An empty target
 * needs the topic from its first offset on. A snapshot needs the topic from where the snapshot
 * ends. The end of any other copy is unknown, so only gaps tell (`refuseGaps`).
 *
 * @param progress how far an interrupted rebuild has read each partition
 * @throws {ReplayRefusedError} retention has deleted events that are needed
 */
export async function refuseLostBeginning(
  broker: Broker,
  database: Database,
  { until, fromCopy, eventsTopic, eventsLogId }: RebuildPlan,
  progress: ReadonlyMap<number, number>,
): Promise<void> {
  if (until) return;
  const ends = fromCopy ? await readEventEnds(database, eventsTopic, eventsLogId) : null;
  const needed = (partition: number) =>
    progress.get(partition) ?? (fromCopy ? ends?.get(partition) : 0) ?? Number.POSITIVE_INFINITY;
  const lost = (await broker.offsetRanges(eventsTopic)).filter(
    ({ partition, beginning }) => beginning > needed(partition),
  );
  if (lost.length === 0) return;
  const places = lost.map(
    ({ partition, beginning }) =>
      `${partition} begins at ${beginning}, and is needed from ${needed(partition)} on`,
  );
  throw new ReplayRefusedError(
    `The retention of ${eventsTopic} has deleted events (partition ${places.join(', ')}). ` +
      USE_A_YOUNGER_COPY,
  );
}

/**
 * Refuses different events with one sequence: nobody can tell which of them happened.
 * @throws {ReplayRefusedError}
 */
export async function refuseConflicts(
  fold: EventFold,
  { eventsTopic }: RebuildPlan,
): Promise<void> {
  const conflicts = await fold.conflicts(CONFLICTS_NAMED);
  if (conflicts.length === 0) return;
  const named = conflicts.map((conflict) => describeConflict(conflict, eventsTopic)).join('; ');
  throw new ReplayRefusedError(
    `Different events have one sequence: ${named}. Two services write into ${eventsTopic}, or ` +
      'somebody changed it. Use a snapshot or a backup as the database',
  );
}

/**
 * Refuses events that are missing in the middle.
 * @throws {ReplayRefusedError}
 */
export async function refuseGaps(
  fold: EventFold,
  { eventsTopic, ranges }: RebuildPlan,
): Promise<void> {
  const named = await describeGaps(fold);
  if (named === null) return;
  throw new ReplayRefusedError(
    ranges.some(({ beginning }) => beginning > 0)
      ? `Events are missing in ${eventsTopic} (${named}): retention has deleted its beginning. ` +
          USE_A_YOUNGER_COPY
      : `Events are missing in ${eventsTopic} (${named}): somebody deleted records, or the topic ` +
          'belongs to another group. Check EVENTS_TOPIC, or use a snapshot or a backup',
  );
}

/** Names the first products with missing events; null: none is missing. */
export async function describeGaps(fold: EventFold): Promise<string | null> {
  const gaps = await fold.gaps(GAPS_NAMED);
  if (gaps.length === 0) return null;
  return gaps.map(({ sku, missing }) => `${sku} from ce_sequence ${missing} on`).join(', ');
}
