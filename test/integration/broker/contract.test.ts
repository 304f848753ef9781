// @module-tag db
// @module-tag kafka

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { EmbeddedBroker } from '../../../src/adapters/broker/embedded/broker.ts';
import { KafkaBroker } from '../../../src/adapters/broker/kafka/broker.ts';
import { Database } from '../../../src/adapters/database/database.ts';
import { TroubleError } from '../../../src/service-layer/errors.ts';
import { brokerContract } from '../../support/broker-contract/broker-contract.ts';

const brokers = inject('kafkaBrokers');
let directory: string;
let database: Database;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'allocation-log-'));
  database = await Database.open(`sqlite:///${join(directory, 'log.db')}`);
  await database.runMigrations();
});

afterAll(async () => {
  await database.close();
  await rm(directory, { recursive: true });
});

brokerContract('The embedded broker', async () => new EmbeddedBroker(database));

it('The embedded broker throws a TroubleError when a range ends beyond the topic', async () => {
  const broker = new EmbeddedBroker(database);
  await broker.ensureTopics([{ name: 'short', partitions: 1, maxMessageBytes: 1_000 }], true);
  await broker.publish('short', [{ key: null, value: 'a', headers: {} }]);
  const ends: number[] = [];
  const reading = broker.read(
    'short',
    [{ partition: 0, beginning: 0, end: 2 }],
    async ({ nextOffset }) => void ends.push(nextOffset),
  );
  await expect(reading).rejects.toThrow(TroubleError);
  expect(ends).toEqual([1]);
});

describe.skipIf(!brokers)('With Kafka', () => {
  brokerContract(
    'Kafka',
    async () =>
      new KafkaBroker({
        brokers: (brokers ?? '').split(','),
        clientId: 'contract',
        log: pino({ level: 'silent' }),
      }),
  );
});
