import { describe, expect, it } from 'vitest';
import { CommandStatuses } from '../../../src/command-status/command-statuses.ts';
import type { Command } from '../../../src/domain/commands.ts';
import type { Event } from '../../../src/domain/events.ts';
import { REJECTIONS } from '../../../src/messages/rejections.ts';
import { allocateOrder } from '../../support/commands.ts';
import { OrderStory, TOPICS } from '../../support/order-story.ts';

const ONE_AFTER_THE_OTHER = {
  partition: () => 0,
  gap: () => 0,
  passedMs: () => 5,
  skewMs: () => 0,
};

/** Asks for the status of a command that is answered. @param maxBytes splits the answer */
async function statusOfAnswered(events: readonly Event[], maxBytes?: number) {
  const story = new OrderStory(ONE_AFTER_THE_OTHER);
  const command = story.send(allocateOrder('order-1', 'A'));
  story.answer(command, events, maxBytes);
  const broker = Object.assign(story.log, { committedOffsets: async () => [1, 0, 0] });
  return new CommandStatuses({ ...TOPICS, broker, group: 'group' }).findAt(command);
}

const line = { orderid: 'order-1', qty: 1 };
const allocated = (sku: string): Event => {
  return { type: 'Allocated', ...line, sku, batchref: 'b', version: 1 };
};
const rejected = (sku: string, reason: 'unknown-sku' | 'line-differs'): Event => {
  const detail = 'for people';
  return { type: 'CommandRejected', command: 'AllocateOrder', reason, detail, sku };
};

describe('the status of a command that is answered', () => {
  it('says for each reason of a rejection once what to do', async () => {
    const events = [rejected('A', 'unknown-sku'), rejected('B', 'line-differs'), allocated('C')];
    const status = await statusOfAnswered([...events, rejected('D', 'unknown-sku')]);
    expect(status).toMatchObject({
      advice:
        `unknown-sku: ${REJECTIONS['unknown-sku'].advice} ` +
        `line-differs: ${REJECTIONS['line-differs'].advice}`,
    });
  });

  it('has no advice if nothing is rejected', async () => {
    expect(await statusOfAnswered([allocated('A')])).not.toHaveProperty('advice');
  });

  it('has no advice for a reason that only a newer release knows', async () => {
    const newer = { ...rejected('A', 'unknown-sku'), reason: 'toString' } as unknown as Event;
    expect(await statusOfAnswered([newer])).not.toHaveProperty('advice');
  });

  it('has the events of all parts if the answer is split', async () => {
    const events = ['A', 'B', 'C'].map(allocated);
    expect(await statusOfAnswered(events, 1)).toMatchObject({
      events: events.map((_, index) => ({ id: `commands/0/0/${index + 1}` })),
    });
  });
});

/** Asks for the status of a failed command. @param hasKey whether its message has a key */
async function statusOfDiscarded(hasKey: boolean, markerPartition: number) {
  let partition = 0;
  const story = new OrderStory({ ...ONE_AFTER_THE_OTHER, partition: () => partition });
  const command = story.send(allocateOrder('order-1', 'A'), hasKey);
  const letter = story.fail(command, 'handler-failed', true);
  partition = markerPartition;
  story.discard(letter);
  const broker = Object.assign(story.log, { committedOffsets: async () => [1, 0, 0] });
  return new CommandStatuses({ ...TOPICS, broker, group: 'group' }).findAt(command);
}

describe('the status of a command that was discarded', () => {
  it('says so when its marker lies behind the letter', async () => {
    expect(await statusOfDiscarded(true, 0)).toMatchObject({ resolution: 'discarded' });
  });

  it('does not tell the sender to wait for a redrive', async () => {
    expect(await statusOfDiscarded(true, 0)).toMatchObject({
      advice: expect.stringMatching(/^An operator has given the command up\./),
    });
  });

  it('says so when the letter has no key, and the marker lies elsewhere', async () => {
    for (const partition of [0, 1, 2])
      expect(await statusOfDiscarded(false, partition)).toMatchObject({ resolution: 'discarded' });
  });
});

describe('the status of a command that was redriven', () => {
  /** Asks for the old place. @param edited what was sent in the place of the command */
  async function statusOfRedriven(edited?: Command) {
    const story = new OrderStory(ONE_AFTER_THE_OTHER);
    const command = story.send(allocateOrder('order-1', 'A'));
    story.redrive(story.fail(command, 'handler-failed', true), edited);
    const broker = Object.assign(story.log, { committedOffsets: async () => [1, 0, 0] });
    return new CommandStatuses({ ...TOPICS, broker, group: 'group' }).findAt(command);
  }

  it('says where the answer is', async () => {
    expect(await statusOfRedriven()).toMatchObject({
      resolution: 'redriven',
      advice: expect.stringContaining('has a new place'),
    });
  });

  it('names the command that was sent instead', async () => {
    expect(await statusOfRedriven(allocateOrder('order-2', 'A'))).toMatchObject({
      replacedBy: expect.stringContaining('c1/edited-1-'),
      advice: expect.stringContaining('replacedBy'),
    });
  });
});
