import type { Config } from '../config.ts';
import type { Broker } from '../service-layer/broker.ts';
import type { PastRanges } from './read-past.ts';
import { countOffsets } from './rebuild-plan.ts';

/** What a what-if reads, and which commands it is about. */
export interface WhatIfPlan extends PastRanges {
  readonly group: string;
  /** Commands that the group has not answered yet: they are left out. */
  readonly unanswered: number;
}

/**
 * The group's positions first: all answers to commands below them are below the ends that are read then.
 * @throws {TroubleError} the log cannot be reached
 */
export async function planWhatIf(
  broker: Broker,
  {
    commandsTopic,
    eventsTopic,
    deadLettersTopic,
    groupId: group,
  }: Pick<Config, 'commandsTopic' | 'eventsTopic' | 'deadLettersTopic' | 'groupId'>,
  {
    from,
    to,
    skipForeign = false,
  }: Pick<WhatIfPlan, 'from' | 'to'> & Partial<Pick<WhatIfPlan, 'skipForeign'>>,
): Promise<WhatIfPlan> {
  const positions = await broker.committedOffsets(group, commandsTopic);
  const [all, events, deadLetters] = await Promise.all([
    broker.offsetRanges(commandsTopic),
    broker.offsetRanges(eventsTopic),
    broker.offsetRanges(deadLettersTopic),
  ]);
  const commands = all.map(({ partition, beginning, end }) => {
    return {
      partition,
      beginning,
      end: Math.max(beginning, Math.min(end, positions[partition] ?? 0)),
    };
  });
  const unanswered = countOffsets(all) - countOffsets(commands);
  return {
    commandsTopic,
    eventsTopic,
    deadLettersTopic,
    group,
    commands,
    events,
    deadLetters,
    unanswered,
    from,
    to,
    skipForeign,
  };
}

/** Records to read, and commands to handle. */
export function countSteps({ commands, events, deadLetters }: WhatIfPlan): number {
  return 2 * countOffsets(commands) + countOffsets(events) + countOffsets(deadLetters);
}
