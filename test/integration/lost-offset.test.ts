// @module-tag db

import pino from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EmbeddedBroker } from '../../src/adapters/broker/embedded/broker.ts';
import { Database } from '../../src/adapters/database/database.ts';
import { SqlLaneStore } from '../../src/adapters/database/lanes/sql-lane-store.ts';
import { AnswerReader } from '../../src/entrypoints/answered-offsets.ts';
import { DeliveryLog } from '../../src/entrypoints/delivery-log.ts';
import { EarlierCommands } from '../../src/entrypoints/earlier-commands.ts';
import type { LaneContext } from '../../src/entrypoints/lane-context.ts';
import { committedOffsetsOf, LaneOffsets } from '../../src/entrypoints/lane-offsets.ts';
import { ByteBudget } from '../../src/entrypoints/memory-budget.ts';
import { Metrics } from '../../src/entrypoints/metrics/metrics.ts';
import { ProductTurns } from '../../src/entrypoints/product-turns.ts';
import { takeOver } from '../../src/entrypoints/take-over.ts';
import { UnknownFields } from '../../src/entrypoints/unknown-fields.ts';
import { RepeatedWarnings } from '../../src/repeated-warnings.ts';
import { readLaneOffsets, settleLaneOffsets } from '../../src/replay/settle-offsets.ts';
import type { Broker } from '../../src/service-layer/broker.ts';
import { FencedError } from '../../src/service-layer/errors.ts';
import type { LanePosition } from '../../src/service-layer/lane-store.ts';
import { quietBus } from '../support/commands.ts';
import { over } from '../support/over.ts';

const LANE = { topic: 'commands', partition: 0 };
const UNWATCHED = {
  signal: new AbortController().signal,
  onProgress: () => {},
  onProducer: () => {},
};

describe('A lane whose committed offset is missing', () => {
  let database: Database;
  let broker: Broker;
  let store: SqlLaneStore;
  let warnings: string[];

  beforeEach(async () => {
    database = await Database.open('sqlite:///:memory:');
    await database.runMigrations();
    broker = new EmbeddedBroker(database);
    store = new SqlLaneStore(database, () => {});
    warnings = [];
    const topics = ['commands', 'events', 'dead-letters'].map((name) => ({
      name,
      partitions: 1,
      maxMessageBytes: 1_000_000,
    }));
    await broker.ensureTopics(topics, true);
    await broker.publish(
      'commands',
      Array.from({ length: 10 }, () => ({ key: null, value: '{}', headers: {} })),
    );
  });

  afterEach(async () => {
    await broker.close();
    await database.close();
  });

  const context = (group = 'group', log: Broker = broker): LaneContext => {
    const topics = { eventsTopic: 'events', deadLettersTopic: 'dead-letters' };
    const metrics = new Metrics();
    const lines = pino(
      { level: 'warn' },
      { write: (line: string) => void warnings.push(JSON.parse(line).msg) },
    );
    const repeated = new RepeatedWarnings(lines);
    return {
      broker: log,
      store,
      group,
      answering: {
        bus: quietBus(),
        ...topics,
        parkingLimits: { ofProduct: 1_000, inAll: 1_000 },
        strictCommands: false,
        clock: () => new Date(),
        metrics,
      },
      published: new LaneOffsets(committedOffsetsOf(log, group)),
      earlier: new EarlierCommands({ broker: log, store, metrics: metrics.lanes, log: lines }),
      relayBudget: new ByteBudget(1_000_000),
      productTurns: new ProductTurns(),
      unknownFields: new UnknownFields(metrics, repeated),
      deliveryLog: new DeliveryLog(repeated),
      answerReader: new AnswerReader(log, topics, lines),
      reopenAll: () => {},
      recoveryAdvice: async () => 'rebuild it',
      log: lines,
    };
  };

  /** Returns what an operator's decision about the lane reads. */
  const sourcesOf = (log: Broker) => ({
    broker: log,
    database,
    store,
    answers: new AnswerReader(
      log,
      { eventsTopic: 'events', deadLettersTopic: 'dead-letters' },
      { info: () => {} },
    ),
    commandsTopic: 'commands',
    group: 'group',
  });

  const event = (offset: number) => ({
    key: 'LAMP',
    value: '{}',
    headers: { ce_source: '/allocation', ce_id: `commands/0/${offset}` },
  });
  /**
   * Records in the database that the commands below `nextOffset` are answered.
   * @param waiting how many of the last answers wait in the outbox
   */
  const recordAnswers = async (nextOffset: number, waiting: number, group?: string) => {
    if (group !== undefined) await store.bind(LANE, await broker.logId('commands'), group);
    const position = await store.readPosition(LANE);
    const offsets = Array.from({ length: waiting }, (_, index) => nextOffset - waiting + index);
    const outbox = offsets.map((sourceOffset, index) => ({
      topic: 'events',
      ...event(sourceOffset),
      sourceOffset,
      sequence: position.nextSequence + index,
    }));
    const next: LanePosition = {
      ...position,
      nextOffset,
      nextSequence: position.nextSequence + waiting,
    };
    await store.transaction(LANE, position, async () => ({
      next,
      outbox,
      publishedBelowOffset: 0,
      restsOn: [],
    }));
  };
  const publishedOffsets = async () => {
    const ids: string[] = [];
    const take = async ({
      records,
    }: {
      readonly records: readonly { readonly headers: object }[];
    }) =>
      void ids.push(
        ...records.map(
          ({ headers }) => String((headers as { ce_id: Buffer }).ce_id).split('/')[2] ?? '',
        ),
      );
    await broker.read('events', await broker.offsetRanges('events'), take);
    return ids.map(Number);
  };
  const committedOffset = async (group = 'group') =>
    (await broker.committedOffsets(group, 'commands'))[0];
  /** Returns a broker whose retention has deleted the beginning of the events. */
  const shortenedBroker = () =>
    over(broker, {
      offsetRanges: async (topic) =>
        (await broker.offsetRanges(topic)).map((range) => ({
          ...range,
          beginning: topic === 'events' ? Math.min(1, range.end) : 0,
        })),
    });

  it('begins at 0 and commits this offset when the lane was never used', async () => {
    await takeOver(LANE, context(), UNWATCHED);
    expect([await committedOffset(), warnings]).toEqual([0, []]);
  });

  it('publishes what waits beyond the highest published answer, nothing twice', async () => {
    await recordAnswers(5, 5);
    await broker.publish('events', [0, 1, 2].map(event));
    await takeOver(LANE, context(), UNWATCHED);
    expect([await publishedOffsets(), await committedOffset()]).toEqual([[0, 1, 2, 3, 4], 5]);
    expect(warnings).toEqual([
      expect.stringContaining(
        'no committed offset for commands/0. The published answers end below 3',
      ),
    ]);
  });

  it('counts a dead letter as a published answer', async () => {
    await recordAnswers(5, 5);
    const headers = {
      'dead-letter-reason': 'malformed',
      'dead-letter-topic': 'commands',
      'dead-letter-partition': '0',
      'dead-letter-offset': '3',
    };
    await broker.publish('dead-letters', [{ key: null, value: '{', headers }]);
    await takeOver(LANE, context(), UNWATCHED);
    expect(await publishedOffsets()).toEqual([4]);
  });

  it('refuses a database that lacks published answers, and commits their end', async () => {
    await broker.publish('events', [event(6)]);
    await expect(takeOver(LANE, context(), UNWATCHED)).rejects.toThrow(
      /has answered up to 7: the database is older than the topics .*rebuild it/,
    );
    expect(await committedOffset()).toBe(7);
  });

  it('refuses answers to commands that the partition does not hold', async () => {
    await broker.publish('events', [event(30)]);
    await expect(takeOver(LANE, context(), UNWATCHED)).rejects.toThrow(
      'the topic was re-created since',
    );
    expect(await committedOffset()).toBeNull();
  });

  it('refuses to work when retention has deleted answers and some answers wait', async () => {
    await recordAnswers(5, 2);
    await broker.publish('events', [0, 1, 2].map(event));
    await expect(takeOver(LANE, context('group', shortenedBroker()), UNWATCHED)).rejects.toThrow(
      /from offset 3 on, which may be published already.*npx allocation replay offsets/s,
    );
    expect([await publishedOffsets(), await committedOffset()]).toEqual([[0, 1, 2], null]);
  });

  it('refuses to work when retention deletes answers while the lane reads them', async () => {
    await recordAnswers(5, 2);
    await broker.publish('events', [0, 1, 2, 3, 4].map(event));
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
    await expect(takeOver(LANE, context('group', log), UNWATCHED)).rejects.toThrow(
      'which may be published already',
    );
    expect([await publishedOffsets(), await committedOffset()]).toEqual([[0, 1, 2, 3, 4], null]);
  });

  it('goes on at its position when retention has deleted answers and none waits', async () => {
    await recordAnswers(5, 0);
    await broker.publish('events', [0, 1].map(event));
    await takeOver(LANE, context('group', shortenedBroker()), UNWATCHED);
    expect([await publishedOffsets(), await committedOffset()]).toEqual([[0, 1], 5]);
  });

  it('refuses an empty database when retention has deleted answers', async () => {
    await broker.publish('events', [{ key: null, value: null, headers: {} }]);
    await expect(takeOver(LANE, context('group', shortenedBroker()), UNWATCHED)).rejects.toThrow(
      'The database has answered nothing',
    );
  });

  it.each(['publish', 'skip'] as const)(
    'does not let an operator choose %s when the database is empty',
    async (choice) => {
      await broker.publish('events', [{ key: null, value: null, headers: {} }]);
      const log = shortenedBroker();
      const sources = sourcesOf(log);
      expect(await readLaneOffsets(sources, UNWATCHED)).toMatchObject([
        { committed: null, position: 0, published: 0, state: 'empty' },
      ]);
      await expect(settleLaneOffsets(sources, choice, UNWATCHED, () => {})).rejects.toThrow(
        'npx allocation replay rebuild --into <copy> --from-copy',
      );
      expect(await committedOffset()).toBeNull();
    },
  );

  it('opens with an empty database when the answers have new topics', async () => {
    await broker.publish('events', [{ key: null, value: null, headers: {} }]);
    const log = shortenedBroker();
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
    await takeOver(LANE, { ...context('group', log), answerReader: answers }, UNWATCHED);
    expect(await committedOffset()).toBe(0);
  });

  it('refuses to work when answers wait and the topics of the answers are empty', async () => {
    await recordAnswers(5, 2);
    await expect(takeOver(LANE, context(), UNWATCHED)).rejects.toThrow(
      'the topics of the answers are empty',
    );
  });

  it.each([
    ['publish', [0, 1, 2, 3, 4]],
    ['skip', [0, 1, 2]],
  ] as const)('opens once an operator has decided to %s', async (choice, ids) => {
    await recordAnswers(5, 2);
    await broker.publish('events', [0, 1, 2].map(event));
    const log = shortenedBroker();
    await expect(takeOver(LANE, context('group', log), UNWATCHED)).rejects.toThrow(
      'nobody can prove',
    );
    const sources = sourcesOf(log);
    expect(await readLaneOffsets(sources, UNWATCHED)).toMatchObject([
      { committed: null, position: 5, published: 3, waiting: 2, state: 'doubtful' },
    ]);
    await settleLaneOffsets(sources, choice, UNWATCHED, () => {});
    await takeOver(LANE, context('group', log), UNWATCHED);
    expect([await publishedOffsets(), await committedOffset()]).toEqual([ids, 5]);
  });

  it('goes on behind the answers of a former group, and fences that group', async () => {
    const former = await takeOver(LANE, context('former'), UNWATCHED);
    await recordAnswers(4, 4);
    await former.producer.publish(
      [0, 1].map((offset) => ({ topic: 'events', ...event(offset) })),
      { ...LANE, group: 'former', nextOffset: 2 },
    );
    await takeOver(LANE, context('group'), UNWATCHED);
    const late = [2, 3].map((offset) => ({ topic: 'events', ...event(offset) }));
    await expect(
      former.producer.publish(late, { ...LANE, group: 'former', nextOffset: 4 }),
    ).rejects.toThrow(FencedError);
    await expect(
      store.transaction(LANE, former.position, async () => Promise.reject(new Error('not fenced'))),
    ).rejects.toThrow(FencedError);
    expect([await publishedOffsets(), await committedOffset()]).toEqual([[0, 1, 2, 3], 4]);
  });

  it('ignores the old committed offset when it goes back to its former group', async () => {
    await takeOver(LANE, context('former'), UNWATCHED);
    const second = await takeOver(LANE, context('group'), UNWATCHED);
    await recordAnswers(4, 4);
    await second.producer.publish(
      [0, 1, 2].map((offset) => ({ topic: 'events', ...event(offset) })),
      { ...LANE, group: 'group', nextOffset: 3 },
    );
    expect(await committedOffset('former')).toBe(0);
    await takeOver(LANE, context('former'), UNWATCHED);
    expect([await publishedOffsets(), await committedOffset('former')]).toEqual([[0, 1, 2, 3], 4]);
  });

  it('stops reading the answers at once when it closes', async () => {
    await broker.publish('events', [event(0)]);
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
    const opening = takeOver(LANE, context('group', slow), {
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
    await broker.publish('events', [event(0)]);
    let readings = 0;
    const counting = over(broker, {
      read: (...asked) => {
        readings += 1;
        return broker.read(...asked);
      },
    });
    const { answerReader: answers } = context('group', counting);
    await Promise.all([1, 2, 3].map(() => answers.read('commands', UNWATCHED)));
    await answers.read('commands', UNWATCHED);
    const ofBothTopics = 2;
    expect(readings).toBe(ofBothTopics);
    await broker.publish('events', [event(1)]);
    expect((await answers.read('commands', UNWATCHED)).nextOffsets.get(0)).toBe(2);
  });

  it.each([
    ['below what it has read', { leaderEpoch: 3, offset: 4 }, 'from 4 on'],
    [
      'twice, and has grown in an earlier epoch',
      { leaderEpoch: 2, offset: 10 },
      'in leader epoch 3',
    ],
  ])('refuses a partition that was truncated %s', async (_, end, words) => {
    await recordAnswers(5, 0);
    await database.query('update source_positions set leader_epoch = 3');
    const truncated = over(broker, {
      endOfEpoch: async (_topic, _partition, epoch) => (epoch === 3 ? end : null),
    });
    const opening = takeOver(LANE, context('group', truncated), UNWATCHED);
    await expect(opening).rejects.toThrow(`Kafka has lost the records ${words}`);
  });

  it.each([
    [6, 'offset 5 of commands/0'],
    [8, 'the offsets from 5 to 7 of commands/0'],
  ])(
    'warns which commands retention up to %i may have deleted, and reads on there',
    async (beginning, words) => {
      await recordAnswers(5, 0);
      const log = over(broker, {
        offsetRanges: async (topic) =>
          topic === 'commands'
            ? [{ partition: 0, beginning, end: 10 }]
            : [{ partition: 0, beginning: 0, end: 0 }],
      });
      await broker
        .openProducer('any')
        .then((producer) => producer.publish([], { ...LANE, group: 'group', nextOffset: 5 }));
      expect((await takeOver(LANE, context('group', log), UNWATCHED)).readFrom).toBe(beginning);
      expect(warnings).toEqual([expect.stringContaining(`Retention has deleted ${words}`)]);
    },
  );
});
