// @module-tag db

import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EmbeddedBroker } from '../../../src/adapters/broker/embedded/broker.ts';
import { Database } from '../../../src/adapters/database/database.ts';
import { eventually } from '../../support/eventually.ts';

const TOPIC = 'records';
const GROUP = 'group';
const HOURS_MS = 5 * 3_600_000;
/** Together, these renewals last a little longer than one lease (consumer.ts). */
const RENEWALS = 15;
const RENEWAL_MS = 500;

describe('A lease of the embedded log that another member has written', () => {
  let database: Database;
  let broker: EmbeddedBroker;
  let isOwner: boolean;

  beforeEach(async () => {
    database = await Database.open('sqlite:///:memory:');
    await database.runMigrations();
    broker = new EmbeddedBroker(database);
    await broker.ensureTopics([{ name: TOPIC, partitions: 1, maxMessageBytes: 1_000 }], true);
    isOwner = false;
  });

  afterEach(async () => {
    await broker.close();
    await database.close();
  });

  const writeLease = (untilMs: number) =>
    database.query(
      'insert into log_group_leases (group_id, topic, member_id, leased_until_ms) ' +
        `values ('${GROUP}', '${TOPIC}', 'another', ?)
       on conflict (group_id, topic) do update set leased_until_ms = excluded.leased_until_ms`,
      [untilMs],
    );
  const join = () =>
    broker.consume({
      topic: TOPIC,
      group: GROUP,
      openOwner: () => {
        isOwner = true;
        return { handle: async () => {}, close: async () => {} };
      },
    });

  it('is taken over at once when the lease has run out', async () => {
    await writeLease(Date.now() - 1);
    await join();
    expect(isOwner).toBe(true);
  });

  it('is taken over soon though the clock of the other member was hours ahead', async () => {
    await writeLease(Date.now() + HOURS_MS);
    await join();
    expect(isOwner).toBe(false);
    await eventually(() => expect(isOwner).toBe(true), { withinMs: 30_000 });
  }, 60_000);

  it('is respected while the other member renews the lease', async () => {
    await writeLease(Date.now() + HOURS_MS);
    await join();
    for (let count = 0; count < RENEWALS; count += 1) {
      await sleep(RENEWAL_MS);
      await writeLease(Date.now() + HOURS_MS);
    }
    expect(isOwner).toBe(false);
  }, 60_000);
});
