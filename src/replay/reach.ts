import type { Broker } from '../service-layer/unit-of-work.ts';
import { ReplayRefusedError } from './errors.ts';
import { countOffsets, type RebuildPlan } from './rebuild-plan.ts';

/**
 * What the sequences cannot tell: a product of which every event is gone has no gap.
 * @throws {ReplayRefusedError} a database that is built from these topics would lack something, and nobody would notice
 */
export async function refuseWhatIsGone(broker: Broker, plan: RebuildPlan): Promise<void> {
  const { eventsTopic, deadLettersTopic, ranges, positions, fromCopy, group } = plan;
  const gone = ranges.filter(({ beginning }) => beginning > 0).map(({ partition, beginning }) => `${partition} begins at ${beginning}`);
  if (gone.length > 0 && !fromCopy) {
    throw new ReplayRefusedError(
      `${eventsTopic} does not reach back to its beginning (partition ${gone.join(', ')}): its retention has deleted events. ` +
        'Bring a copy of the database up to date instead: put it in the place of the target, and add --from-copy',
    );
  }
  const answered = positions.reduce((sum, { nextOffset }) => sum + nextOffset, 0);
  if (answered === 0 || countOffsets(ranges) > 0) return;
  // Of commands that nobody could read there are dead letters only.
  if (countOffsets(await broker.offsetRanges(deadLettersTopic)) > 0) return;
  throw new ReplayRefusedError(
    `${eventsTopic} is empty, but the group ${group} has answered commands: was it re-created, or is it the topic of another group?`,
  );
}
