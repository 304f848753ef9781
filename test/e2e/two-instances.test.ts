// @module-tag db
// @module-tag slow
// @module-tag campaign

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FaultCampaign } from '../support/fault-campaign.ts';
import type { FaultName } from '../support/instance-faults.ts';
import { shuffle } from '../support/shuffle.ts';

/** How often each fault happens in a run of all tests, and with FAULTS=all. */
const TIMES: Readonly<Record<FaultName, readonly [sample: number, whole: number]>> = {
  'an instance killed and restarted': [1, 50],
  'an instance terminated and restarted': [1, 5],
  'both instances terminated and restarted': [1, 10],
  'an instance stopped past its time and woken': [1, 8],
  'both instances stopped past their time and woken': [1, 2],
  'a third instance that joins and leaves': [1, 10],
  'a third instance that joins and is killed': [1, 5],
  'the broker killed and restarted': [1, 5],
  'connections to Kafka reset': [1, 20],
  'a black hole before Kafka': [0, 5],
  'an instance behind a black hole before Kafka, past its time': [1, 5],
  'Kafka stalled': [0, 5],
  'an instance with Kafka stalled, past its time': [1, 3],
  'Kafka slowed down': [1, 5],
  'the answer to Produce lost': [1, 10],
  'the answer to EndTxn lost': [1, 10],
  'the answer to InitProducerId lost': [1, 10],
  'connections to PostgreSQL reset': [1, 20],
  'a black hole before PostgreSQL': [1, 5],
  'PostgreSQL stalled': [0, 5],
  'an instance with PostgreSQL stalled, past its time': [1, 3],
  'PostgreSQL slowed down': [1, 5],
  'PostgreSQL sessions terminated amid transactions': [1, 10],
  'PostgreSQL restarted': [1, 5],
  'PostgreSQL crashed': [1, 5],
};

const isWhole = process.env.FAULTS === 'all';
/**
 * Longer than the group's session. In the whole campaign it is also longer than the transaction's
 * timeout, which strikes only when nobody takes over.
 */
const ZOMBIE_MS = isWhole ? 66_000 : 10_000;
/** How many commands are sent at first. Almost as many follow while a fault lasts. */
const COMMANDS_PER_FAULT = 250;
const COMMANDS = isWhole ? 100_000 : 5_000;

let directory: string;
let campaign: FaultCampaign | null = null;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'allocation-'));
  campaign = await FaultCampaign.start({ directory, zombieMs: ZOMBIE_MS, mortal: [0, 1] }).catch(
    (reason: Error) => {
      if (process.env.CI) throw reason;
      process.stderr.write(`The fault campaign is skipped: ${reason.message}\n`);
      return null;
    },
  );
}, 120_000);

afterAll(async () => {
  await campaign?.stop();
  await rm(directory, { recursive: true, force: true });
});

it('two instances on Kafka and PostgreSQL answer each command once, and recover soon', async ({
  skip,
}) => {
  if (!campaign) return skip();
  const faults = shuffle(
    Object.entries(TIMES).flatMap(([name, [sample, whole]]) =>
      Array(isWhole ? whole : sample).fill(name),
    ),
  );
  for (const [index, name] of faults.entries()) {
    const ms = await campaign.endure(name, COMMANDS_PER_FAULT);
    process.stdout.write(`${index + 1} of ${faults.length}: ${name}: recovered in ${ms} ms\n`);
  }
  process.stdout.write(campaign.times.text());
  expect(await campaign.verdict()).toEqual([]);
  process.stdout.write(`${campaign.flow.sent} commands\n`);
  expect(campaign.flow.sent).toBeGreaterThan(COMMANDS);
}, 7_200_000);
