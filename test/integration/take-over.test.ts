// @module-tag db

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { takeOver } from '../../src/entrypoints/take-over.ts';
import type { Broker } from '../../src/service-layer/broker.ts';
import { FencedError } from '../../src/service-layer/errors.ts';
import { over } from '../support/over.ts';
import { answerTo, LANE, TakeOverRun, UNWATCHED } from '../support/take-over-run.ts';

describe('A lane that is taken over', () => {
  let run: TakeOverRun;
  let broker: Broker;

  beforeEach(async () => {
    run = await TakeOverRun.open();
    ({ broker } = run);
  });

  afterEach(() => run.close());

  it('goes on behind the answers of a former group, and fences that group', async () => {
    const former = await takeOver(LANE, run.context('former'), UNWATCHED);
    await run.recordAnswers(4, 4);
    await former.producer.publish(
      [0, 1].map((offset) => ({ topic: 'events', ...answerTo(offset) })),
      { ...LANE, group: 'former', nextOffset: 2 },
    );
    await takeOver(LANE, run.context('group'), UNWATCHED);
    const late = [2, 3].map((offset) => ({ topic: 'events', ...answerTo(offset) }));
    await expect(
      former.producer.publish(late, { ...LANE, group: 'former', nextOffset: 4 }),
    ).rejects.toThrow(FencedError);
    await expect(
      run.store.transaction(LANE, former.position, async () =>
        Promise.reject(new Error('not fenced')),
      ),
    ).rejects.toThrow(FencedError);
    expect([await run.publishedOffsets(), await run.committedOffset()]).toEqual([[0, 1, 2, 3], 4]);
  });

  it('ignores the old committed offset when it goes back to its former group', async () => {
    await takeOver(LANE, run.context('former'), UNWATCHED);
    const second = await takeOver(LANE, run.context('group'), UNWATCHED);
    await run.recordAnswers(4, 4);
    await second.producer.publish(
      [0, 1, 2].map((offset) => ({ topic: 'events', ...answerTo(offset) })),
      { ...LANE, group: 'group', nextOffset: 3 },
    );
    expect(await run.committedOffset('former')).toBe(0);
    await takeOver(LANE, run.context('former'), UNWATCHED);
    expect([await run.publishedOffsets(), await run.committedOffset('former')]).toEqual([
      [0, 1, 2, 3],
      4,
    ]);
  });

  it.each([
    ['below what it has read', { leaderEpoch: 3, offset: 4 }, 'from 4 on'],
    [
      'twice, and has grown in an earlier epoch',
      { leaderEpoch: 2, offset: 10 },
      'in leader epoch 3',
    ],
  ])('refuses a partition that was truncated %s', async (_, end, words) => {
    await run.recordAnswers(5, 0);
    await run.database.query('update source_positions set leader_epoch = 3');
    const truncated = over(broker, {
      endOfEpoch: async (_topic, _partition, epoch) => (epoch === 3 ? end : null),
    });
    const opening = takeOver(LANE, run.context('group', truncated), UNWATCHED);
    await expect(opening).rejects.toThrow(`Kafka has lost the records ${words}`);
  });

  it.each([
    [6, 'offset 5 of commands/0'],
    [8, 'the offsets from 5 to 7 of commands/0'],
  ])(
    'warns which commands retention up to %i may have deleted, and reads on there',
    async (beginning, words) => {
      await run.recordAnswers(5, 0);
      const log = over(broker, {
        offsetRanges: async (topic) =>
          topic === 'commands'
            ? [{ partition: 0, beginning, end: 10 }]
            : [{ partition: 0, beginning: 0, end: 0 }],
      });
      await broker
        .openProducer('any')
        .then((producer) => producer.publish([], { ...LANE, group: 'group', nextOffset: 5 }));
      expect((await takeOver(LANE, run.context('group', log), UNWATCHED)).readFrom).toBe(beginning);
      expect(run.warnings).toEqual([expect.stringContaining(`Retention has deleted ${words}`)]);
    },
  );
});
