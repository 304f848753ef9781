import { describe, expect, it } from 'vitest';
import { CommandStatuses } from '../../../src/command-status/command-statuses.ts';
import { allocateOrder } from '../../support/commands.ts';
import { OrderStory, TOPICS } from '../../support/order-story.ts';

/** Asks for the status of a failed command. @param hasKey whether its message has a key */
async function statusOfDiscarded(hasKey: boolean, markerPartition: number) {
  let partition = 0;
  const story = new OrderStory({
    partition: () => partition,
    gap: () => 0,
    passedMs: () => 5,
    skewMs: () => 0,
  });
  const command = story.send(allocateOrder('order-1', 'A'), hasKey);
  const letter = story.fail(command, 'handler-failed', true);
  partition = markerPartition;
  story.discard(letter);
  const broker = Object.assign(story.log, { committedOffsets: async () => [1, 0, 0] });
  return new CommandStatuses({ ...TOPICS, broker, group: 'group' }).at(command);
}

describe('the status of a command that was discarded', () => {
  it('says so when its marker lies behind the letter', async () => {
    expect(await statusOfDiscarded(true, 0)).toMatchObject({ resolution: 'discarded' });
  });

  it('says so when the letter has no key, and the marker lies elsewhere', async () => {
    for (const partition of [0, 1, 2])
      expect(await statusOfDiscarded(false, partition)).toMatchObject({ resolution: 'discarded' });
  });
});
