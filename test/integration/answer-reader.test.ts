// @module-tag db

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { takeOver } from '../../src/entrypoints/take-over.ts';
import type { Broker } from '../../src/service-layer/broker.ts';
import { over } from '../support/over.ts';
import { answerTo, LANE, TakeOverRun, UNWATCHED } from '../support/take-over-run.ts';

describe('The reader of the published answers', () => {
  let run: TakeOverRun;
  let broker: Broker;

  beforeEach(async () => {
    run = await TakeOverRun.open();
    ({ broker } = run);
  });

  afterEach(() => run.close());

  it('stops reading the answers at once when it closes', async () => {
    await broker.publish('events', [answerTo(0)]);
    const closing = new AbortController();
    const started = Promise.withResolvers<void>();
    const slow = over(broker, {
      read: (_topic, _ranges, _take, signal) => {
        started.resolve();
        return new Promise((_, reject) =>
          signal?.addEventListener('abort', () => reject(signal.reason)),
        );
      },
    });
    const progress: string[] = [];
    const opening = takeOver(LANE, run.context('group', slow), {
      ...UNWATCHED,
      signal: closing.signal,
      onProgress: (text) => progress.push(text),
    });
    await started.promise;
    closing.abort(new Error('closing'));
    await expect(opening).rejects.toThrow('closing');
    expect(progress).toEqual([
      expect.stringContaining(
        'reads events and dead-letters to find what was published: 0 of 1 offsets',
      ),
    ]);
  });

  it('reads the answers only once when several lanes open', async () => {
    await broker.publish('events', [answerTo(0)]);
    let readings = 0;
    const counting = over(broker, {
      read: (...asked) => {
        readings += 1;
        return broker.read(...asked);
      },
    });
    const { answerReader: answers } = run.context('group', counting);
    await Promise.all([1, 2, 3].map(() => answers.read('commands', UNWATCHED)));
    await answers.read('commands', UNWATCHED);
    const ofBothTopics = 2;
    expect(readings).toBe(ofBothTopics);
    await broker.publish('events', [answerTo(1)]);
    expect((await answers.read('commands', UNWATCHED)).nextOffsets.get(0)).toBe(2);
  });
});
