import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, inject } from 'vitest';
import { EmbeddedBroker } from '../../../src/adapters/broker/embedded.ts';
import { KafkaBroker } from '../../../src/adapters/broker/kafka.ts';
import { Database } from '../../../src/adapters/database/database.ts';
import { brokerContract } from '../../support/broker-contract.ts';

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

describe.skipIf(!brokers)('With Kafka', () => {
  brokerContract(
    'Kafka',
    async () => new KafkaBroker({ brokers: (brokers ?? '').split(','), clientId: 'contract', log: pino({ level: 'silent' }) }),
  );
});
