import type { Config } from '../config.ts';
import type { Broker } from '../service-layer/broker.ts';
import { countOffsets, rangesBelow } from './offset-ranges.ts';
import type { PastRanges } from './read-past.ts';

/** What a what-if reads, and which commands it handles. */
export interface WhatIfPlan extends PastRanges {
  readonly group: string;
  /** How many commands are left out because the group has not answered them yet. */
  readonly unanswered: number;
}

/**
 * Plans a what-if. The group's offsets are read first, and the ends of the topics second. So the
 * answers to all commands below those offsets lie below those ends.
 * @throws {TroubleError} the log cannot be reached
 */
export async function planWhatIf(
  broker: Broker,
  config: Pick<Config, 'commandsTopic' | 'eventsTopic' | 'deadLettersTopic' | 'groupId'>,
  {
    from,
    to,
    skipForeign = false,
  }: Pick<WhatIfPlan, 'from' | 'to'> & Partial<Pick<WhatIfPlan, 'skipForeign'>>,
): Promise<WhatIfPlan> {
  const { commandsTopic, eventsTopic, deadLettersTopic, groupId: group } = config;
  const committed = await broker.committedOffsets(group, commandsTopic);
  const [all, events, deadLetters] = await Promise.all([
    broker.offsetRanges(commandsTopic),
    broker.offsetRanges(eventsTopic),
    broker.offsetRanges(deadLettersTopic),
  ]);
  const passed = new Map(committed.map((offset, partition) => [partition, offset ?? 0]));
  const commands = rangesBelow(all, passed);
  return {
    commandsTopic,
    eventsTopic,
    deadLettersTopic,
    group,
    commands,
    events,
    deadLetters,
    unanswered: countOffsets(all) - countOffsets(commands),
    from,
    to,
    skipForeign,
  };
}

/** Counts the steps of a what-if: the records to read and the commands to handle. */
export function countSteps({ commands, events, deadLetters }: WhatIfPlan): number {
  return 2 * countOffsets(commands) + countOffsets(events) + countOffsets(deadLetters);
}
