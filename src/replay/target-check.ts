import type { Database } from '../adapters/database/database.ts';
import { readEventEnds } from '../adapters/database/replay/lane-positions.ts';
import { readMark } from '../adapters/database/replay/rebuild-mark.ts';
import { isEmpty, isUsedByOthers } from '../adapters/database/replay/rebuild-target.ts';
import type { Broker } from '../service-layer/broker.ts';
import { ReplayRefusedError } from './errors.ts';
import { rangesFrom } from './offset-ranges.ts';
import { isSameRebuild, parsePlan, type RebuildPlan } from './rebuild-plan.ts';
import { refuseEmptyTopic, refuseLostBeginning } from './rebuild-refusals.ts';

/**
 * Checks that the database can be the target of the rebuild. Changes only its schema, if that is an
 * older one.
 * @returns the plan to follow: the one that an unfinished rebuild began with, or the new one, less
 *   what a snapshot knows already
 * @throws {ReplayRefusedError} the database cannot be the target
 */
export async function checkTarget(
  database: Database,
  broker: Broker,
  plan: RebuildPlan,
): Promise<RebuildPlan> {
  await database.runMigrations();
  if (await isUsedByOthers(database))
    throw new ReplayRefusedError(
      'The target is in use by another process: stop the service that runs on it first',
    );
  const unfinished = await readUnfinished(database, plan);
  if (unfinished) return unfinished;
  if (!plan.fromCopy && !(await isEmpty(database))) {
    throw new ReplayRefusedError(
      'The target is not empty: name an empty database, or add --from-copy to bring an older ' +
        'copy up to date',
    );
  }
  if (!plan.until) await refuseEmptyTopic(broker, plan);
  const { fromCopy, eventsTopic, eventsLogId } = plan;
  const ends = fromCopy ? await readEventEnds(database, eventsTopic, eventsLogId) : null;
  const narrowPlan = ends ? { ...plan, ranges: rangesFrom(plan.ranges, ends) } : plan;
  await refuseLostBeginning(broker, database, narrowPlan, new Map());
  return narrowPlan;
}

/**
 * Returns the plan of the unfinished rebuild that the database holds; null: it holds none.
 * @throws {ReplayRefusedError} the database holds another rebuild, or shows the past
 */
async function readUnfinished(database: Database, plan: RebuildPlan): Promise<RebuildPlan | null> {
  const mark = await readMark(database);
  if (mark === null) return null;
  if (mark.state === 'past')
    throw new ReplayRefusedError(
      'The target shows the past, from a rebuild with --until: name another database',
    );
  const unfinished = parsePlan(mark.plan);
  if (!isSameRebuild(unfinished, plan))
    throw new ReplayRefusedError(
      'The target holds an unfinished rebuild of other topics, or of another moment: finish that ' +
        'rebuild, or name another database',
    );
  return { ...unfinished, skipForeign: unfinished.skipForeign || plan.skipForeign };
}
