// @module-tag db

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AnswerReader } from '../../src/entrypoints/answered-offsets.ts';
import { takeOver } from '../../src/entrypoints/take-over.ts';
import type { Broker } from '../../src/service-layer/broker.ts';
import { over } from '../support/over.ts';
import { answerTo, LANE, TakeOverRun, UNWATCHED } from '../support/take-over-run.ts';

describe('A lane whose committed offset is missing', () => {
  let run: TakeOverRun;
  let broker: Broker;

  beforeEach(async () => {
    run = await TakeOverRun.open();
    ({ broker } = run);
  });

  afterEach(() => run.close());

  it('begins at 0 and commits this offset when the lane was never used', async () => {
    await takeOver(LANE, run.context(), UNWATCHED);
    expect([await run.committedOffset(), run.warnings]).toEqual([0, []]);
  });

  it('publishes what waits beyond the highest published answer, nothing twice', async () => {
    await run.recordAnswers(5, 5);
    await broker.publish('events', [0, 1, 2].map(answerTo));
    await takeOver(LANE, run.context(), UNWATCHED);
    expect([await run.publishedOffsets(), await run.committedOffset()]).toEqual([
      [0, 1, 2, 3, 4],
      5,
    ]);
    expect(run.warnings).toEqual([
      expect.stringContaining(
        'no committed offset for commands/0. The published answers end below 3',
      ),
    ]);
  });

  it('counts a dead letter as a published answer', async () => {
    await run.recordAnswers(5, 5);
    const headers = {
      'dead-letter-reason': 'malformed',
      'dead-letter-topic': 'commands',
      'dead-letter-partition': '0',
      'dead-letter-offset': '3',
    };
    await broker.publish('dead-letters', [{ key: null, value: '{', headers }]);
    await takeOver(LANE, run.context(), UNWATCHED);
    expect(await run.publishedOffsets()).toEqual([4]);
  });

  it('refuses a database that lacks published answers, and commits their end', async () => {
    await broker.publish('events', [answerTo(6)]);
    await expect(takeOver(LANE, run.context(), UNWATCHED)).rejects.toThrow(
      /has answered up to 7: the database is older than the topics .*rebuild it/,
    );
    expect(await run.committedOffset()).toBe(7);
  });

  it('refuses answers to commands that the partition does not hold', async () => {
    await broker.publish('events', [answerTo(30)]);
    await expect(takeOver(LANE, run.context(), UNWATCHED)).rejects.toThrow(
      'the topic was re-created since',
    );
    expect(await run.committedOffset()).toBeNull();
  });

  it('refuses to work when retention has deleted answers and some answers wait', async () => {
    await run.recordAnswers(5, 2);
    await broker.publish('events', [0, 1, 2].map(answerTo));
    await expect(
      takeOver(LANE, run.context('group', run.shortenedBroker()), UNWATCHED),
    ).rejects.toThrow(
      /from offset 3 on, which may be published already.*npx allocation replay offsets/s,
    );
    expect([await run.publishedOffsets(), await run.committedOffset()]).toEqual([[0, 1, 2], null]);
  });

  it('refuses to work when retention deletes answers while the lane reads them', async () => {
    await run.recordAnswers(5, 2);
    await broker.publish('events', [0, 1, 2, 3, 4].map(answerTo));
    let isDeleted = false;
    const log = over(broker, {
      offsetRanges: async (topic) =>
        (await broker.offsetRanges(topic)).map((range) => ({
          ...range,
          beginning: topic === 'events' && isDeleted ? range.end : 0,
        })),
      read: async (topic, ranges, take, signal) => {
        if (topic !== 'events') return await broker.read(topic, ranges, take, signal);
        isDeleted = true;
        for (const { partition, end } of ranges)
          await take({ partition, records: [], nextOffset: end });
      },
    });
    await expect(takeOver(LANE, run.context('group', log), UNWATCHED)).rejects.toThrow(
      'which may be published already',
    );
    expect([await run.publishedOffsets(), await run.committedOffset()]).toEqual([
      [0, 1, 2, 3, 4],
      null,
    ]);
  });

  it('goes on at its position when retention has deleted answers and none waits', async () => {
    await run.recordAnswers(5, 0);
    await broker.publish('events', [0, 1].map(answerTo));
    await takeOver(LANE, run.context('group', run.shortenedBroker()), UNWATCHED);
    expect([await run.publishedOffsets(), await run.committedOffset()]).toEqual([[0, 1], 5]);
  });

  it('refuses an empty database when retention has deleted answers', async () => {
    await broker.publish('events', [{ key: null, value: null, headers: {} }]);
    await expect(
      takeOver(LANE, run.context('group', run.shortenedBroker()), UNWATCHED),
    ).rejects.toThrow('The database has answered nothing');
  });

  it('opens with an empty database when the answers have new topics', async () => {
    await broker.publish('events', [{ key: null, value: null, headers: {} }]);
    const log = run.shortenedBroker();
    const topics = ['events-2', 'dead-letters-2'].map((name) => ({
      name,
      partitions: 1,
      maxMessageBytes: 1_000_000,
    }));
    await broker.ensureTopics(topics, true);
    const answers = new AnswerReader(
      log,
      { eventsTopic: 'events-2', deadLettersTopic: 'dead-letters-2' },
      { info: () => {} },
    );
    await takeOver(LANE, { ...run.context('group', log), answerReader: answers }, UNWATCHED);
    expect(await run.committedOffset()).toBe(0);
  });

  it('refuses to work when answers wait and the topics of the answers are empty', async () => {
    await run.recordAnswers(5, 2);
    await expect(takeOver(LANE, run.context(), UNWATCHED)).rejects.toThrow(
      'the topics of the answers are empty',
    );
  });
});
