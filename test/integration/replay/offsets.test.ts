// @module-tag db
// @module-tag kafka

import { pino } from 'pino';
import { afterEach, describe, expect, inject, it } from 'vitest';
import { Database } from '../../../src/adapters/database/database.ts';
import { SqlLaneStore } from '../../../src/adapters/database/lanes/sql-lane-store.ts';
import { bootstrap, type Service } from '../../../src/bootstrap.ts';
import { eventually } from '../../support/eventually.ts';
import { joinPatterns } from '../../support/join-patterns.ts';
import { batch } from '../../support/plain-commands.ts';
import { RunningService } from '../../support/running-service.ts';
import { plainKafka } from '../../support/topic-reader.ts';

const brokers = inject('kafkaBrokers');
const PATIENCE = { withinMs: 60_000 };

describe.skipIf(!brokers)('replay offsets', () => {
  let running: RunningService;
  let restarted: Service | undefined;

  afterEach(async () => {
    await restarted?.close();
    await running[Symbol.asyncDispose]();
  });

  /** Starts the service, and stops it when it has answered one command. */
  async function answerOneCommand(): Promise<void> {
    running = await RunningService.start({ KAFKA_BROKERS: brokers ?? '', TOPIC_PARTITIONS: '1' });
    await running.send(batch('batch', 'LAMP'));
    await running.idle();
    await running.service.close();
  }

  /** Leaves an answer in the outbox, as if the service had died before it deleted the row. */
  async function leaveAnswer(): Promise<void> {
    const { commandsTopic, eventsTopic, databaseUrl } = running.config;
    const database = await Database.open(databaseUrl);
    const store = new SqlLaneStore(database, () => {});
    const lane = { topic: commandsTopic, partition: 0 };
    const position = await store.readPosition(lane);
    const { nextOffset, nextSequence } = position;
    const headers = {
      ce_source: '/allocation',
      ce_id: `${commandsTopic}/0/${nextOffset}`,
      ce_type: 'Left behind',
    };
    const outbox = [
      {
        topic: eventsTopic,
        key: 'LAMP',
        value: '{}',
        headers,
        sequence: nextSequence,
        sourceOffset: nextOffset,
      },
    ];
    const next = { ...position, nextOffset: nextOffset + 1, nextSequence: nextSequence + 1 };
    await store.transaction(lane, position, async () => ({
      next,
      outbox,
      publishedBelowOffset: 0,
      restsOn: [],
    }));
    await database.close();
  }

  async function loseOffsetsAndEvents(): Promise<void> {
    const { commandsTopic, eventsTopic, groupId } = running.config;
    const kafka = plainKafka(brokers ?? '');
    const [admin, producer] = [kafka.admin(), kafka.producer()];
    await Promise.all([admin.connect(), producer.connect()]);
    await producer.send({ topic: commandsTopic, messages: [{ partition: 0, value: '{}' }] });
    const ends = await admin.fetchTopicOffsets(eventsTopic);
    await admin.deleteTopicRecords({
      topic: eventsTopic,
      partitions: ends.map(({ partition, high: offset }) => ({ partition, offset })),
    });
    await eventually(() => admin.deleteGroups([groupId]), PATIENCE);
    await Promise.all([admin.disconnect(), producer.disconnect()]);
  }

  it.each([
    ['--publish', 'publishes', ['Left behind']],
    ['--skip', 'does not publish', []],
  ] as const)(
    '%s settles a lane in doubt: the service %s the waiting answer',
    async (choice, _, types) => {
      await answerOneCommand();
      await leaveAnswer();
      await loseOffsetsAndEvents();
      const service = await bootstrap(running.config, pino({ level: 'silent' }));
      restarted = service;
      await service.start();
      await eventually(
        () => expect(service.consumer.problems().join()).toContain('npx allocation replay offsets'),
        PATIENCE,
      );
      expect((await running.cli('replay', 'offsets')).stdout).toMatch(
        /0 +missing +2 +below 0 +1 +doubtful/,
      );
      expect(await running.cli('replay', 'offsets', '--execute')).toMatchObject({ code: 2 });
      expect((await running.cli('replay', 'offsets', choice)).stdout).toContain(
        'Nothing is done. To do it, add --execute',
      );
      const lane = `${running.config.commandsTopic}/0`;
      const { stdout, audit } = await running.cli('replay', 'offsets', choice, '--execute');
      expect(stdout).toContain(`for ${lane}`);
      expect(audit).toMatchObject([
        { act: 'replay offsets', state: 'begun', on: { count: 1, first: [lane] } },
        {
          state: 'succeeded',
          done: { count: 1, first: [lane] },
          options: { choice: choice.slice(2) },
        },
      ]);
      await eventually(() => expect(service.consumer.problems()).toEqual([]), PATIENCE);
      const eventTypes: string[] = [];
      await service.broker.read(
        running.config.eventsTopic,
        await service.broker.offsetRanges(running.config.eventsTopic),
        async ({ records }) => {
          eventTypes.push(...records.map(({ headers }) => String(headers.ce_type)));
        },
      );
      expect(eventTypes).toEqual(types);
    },
    180_000,
  );

  it('settles nothing for an empty database, and names the command that helps', async () => {
    await answerOneCommand();
    await loseOffsetsAndEvents();
    const database = await Database.open(running.config.databaseUrl);
    await database.query('delete from source_positions');
    await database.close();
    const plan = await running.cli('replay', 'offsets', '--skip');
    expect(plan.stdout).toMatch(
      joinPatterns(
        /missing +0 +below 0 +0 +empty +the database has answered nothing\n\n/,
        /.*Point DATABASE_URL at that database/,
      ),
    );
    const executed = await running.cli('replay', 'offsets', '--skip', '--execute');
    expect(executed.code).not.toBe(0);
    expect(executed.stderr).toContain('npx allocation replay rebuild --into <copy> --from-copy');
  }, 180_000);
});
