// @module-tag db

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { takeOver } from '../../src/entrypoints/take-over.ts';
import { readLaneOffsets, settleLaneOffsets } from '../../src/replay/settle-offsets.ts';
import type { Broker } from '../../src/service-layer/broker.ts';
import { answerTo, LANE, TakeOverRun, UNWATCHED } from '../support/take-over-run.ts';

describe('A lane whose committed offset is missing and cannot be proven', () => {
  let run: TakeOverRun;
  let broker: Broker;

  beforeEach(async () => {
    run = await TakeOverRun.open();
    ({ broker } = run);
  });

  afterEach(() => run.close());

  it.each(['publish', 'skip'] as const)(
    'does not let an operator choose %s when the database is empty',
    async (choice) => {
      await broker.publish('events', [{ key: null, value: null, headers: {} }]);
      const log = run.shortenedBroker();
      const sources = run.sourcesOf(log);
      expect(await readLaneOffsets(sources, UNWATCHED)).toMatchObject([
        { committed: null, position: 0, published: 0, state: 'empty' },
      ]);
      await expect(settleLaneOffsets(sources, choice, UNWATCHED, () => {})).rejects.toThrow(
        'npx allocation replay rebuild --into <copy> --from-copy',
      );
      expect(await run.committedOffset()).toBeNull();
    },
  );

  it.each([
    ['publish', [0, 1, 2, 3, 4]],
    ['skip', [0, 1, 2]],
  ] as const)('opens once an operator has decided to %s', async (choice, ids) => {
    await run.recordAnswers(5, 2);
    await broker.publish('events', [0, 1, 2].map(answerTo));
    const log = run.shortenedBroker();
    await expect(takeOver(LANE, run.context('group', log), UNWATCHED)).rejects.toThrow(
      'nobody can prove',
    );
    const sources = run.sourcesOf(log);
    expect(await readLaneOffsets(sources, UNWATCHED)).toMatchObject([
      { committed: null, position: 5, published: 3, waiting: 2, state: 'doubtful' },
    ]);
    await settleLaneOffsets(sources, choice, UNWATCHED, () => {});
    await takeOver(LANE, run.context('group', log), UNWATCHED);
    expect([await run.publishedOffsets(), await run.committedOffset()]).toEqual([ids, 5]);
  });
});
