import type { Broker } from '../service-layer/broker.ts';
import { ReplayRefusedError } from './errors.ts';
import { countOffsets, type RebuildPlan } from './rebuild-plan.ts';

/**
 * An events topic that never had an event has no gaps either: a rebuild from it would be empty, and stand beyond every command.
 * @throws {ReplayRefusedError} it cannot be where the group's answers went
 */
export async function refuseEmptyTopic(broker: Broker, plan: RebuildPlan): Promise<void> {
  const { eventsTopic, deadLettersTopic, ranges, positions, group } = plan;
  const hasAnswered = positions.some(({ nextOffset }) => nextOffset > 0);
  if (!hasAnswered || ranges.some(({ end }) => end > 0)) return;
  // Of commands that nobody could read there are dead letters only.
  if (countOffsets(await broker.offsetRanges(deadLettersTopic)) > 0) return;
  throw new ReplayRefusedError(
    `${eventsTopic} is empty, but the group ${group} has answered commands: was it re-created, or is it the topic of another group?`,
  );
}
