// @module-tag db
// @module-tag kafka
// @module-tag slow
// @module-tag campaign

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ClusterFaultName } from '../support/broker-faults.ts';
import { ClusterCampaign, type Recovery } from '../support/cluster-campaign.ts';
import { RecoveryTable } from '../support/recovery-table.ts';
import { shuffle } from '../support/shuffle.ts';

/** How often each fault happens on each cluster: in a run of all tests, and with FAULTS=all. */
type Times = Readonly<Record<ClusterFaultName, readonly [sample: number, whole: number]>>;

const TIMES_ON_41: Times = {
  'a rolling restart of all brokers': [1, 5],
  'each broker killed with -9': [0, 1],
  'the controller killed with -9': [1, 2],
  "the group's coordinator moved": [0, 2],
  "the transactions' coordinators moved": [0, 2],
  'leaders moved': [0, 2],
  'two of three brokers killed': [1, 1],
  'a broker cut off from everybody': [1, 2],
  'a broker cut off from the other brokers': [0, 2],
  "the brokers' clocks apart": [1, 1],
};
const TIMES_ON_37: Times = {
  'a rolling restart of all brokers': [0, 2],
  'each broker killed with -9': [0, 1],
  'the controller killed with -9': [0, 1],
  "the group's coordinator moved": [1, 1],
  "the transactions' coordinators moved": [1, 1],
  'leaders moved': [1, 1],
  'two of three brokers killed': [0, 1],
  'a broker cut off from everybody': [0, 1],
  'a broker cut off from the other brokers': [0, 1],
  "the brokers' clocks apart": [0, 1],
};
/** Each fault once, and only in the whole run. */
const ONE_OF_EACH = Object.fromEntries(
  Object.keys(TIMES_ON_41).map((name) => [name, [0, 1]]),
) as unknown as Times;

const isWhole = process.env.FAULTS === 'all';
/** The session of a broker. The whole run takes Kafka's own default, the sample saves time. */
const SESSION_MS = isWhole ? 9_000 : 6_000;
/** Beyond this a recovery is counted as over the target. */
const TARGET_MS = 3_000;
/**
 * How much longer than without a fault a recovery may take: the target, and what a busy machine of
 * two cores may add. A later one happens again, and the test fails if it is late again, or takes
 * twice as long.
 */
const LIMIT_MS = TARGET_MS + 10_000;
/**
 * Before 3.8, a transaction coordinator reloads when the in-sync replicas of its partition change.
 * It leaves requests under way unanswered (KAFKA-15468), and refuses new ones until their 30 s are
 * over. Two changes in a row may do so twice.
 */
const LIMIT_ON_37_MS = LIMIT_MS + 60_000;

const CLUSTERS = [
  {
    version: '4.1.0',
    instances: 2,
    cpuHogs: isWhole ? 2 : 1,
    times: TIMES_ON_41,
    limitMs: LIMIT_MS,
  },
  {
    version: '3.7.2',
    instances: 1,
    cpuHogs: isWhole ? 2 : 0,
    times: TIMES_ON_37,
    limitMs: LIMIT_ON_37_MS,
  },
  { version: '4.1.0', instances: 1, cpuHogs: 2, times: ONE_OF_EACH, limitMs: LIMIT_MS },
  { version: '3.7.2', instances: 2, cpuHogs: 2, times: ONE_OF_EACH, limitMs: LIMIT_ON_37_MS },
] as const;

const timesNow = (times: Times) =>
  Object.entries(times).map(([name, [sample, whole]]) => [name, isWhole ? whole : sample] as const);
const clustersNow = CLUSTERS.filter(({ times }) => timesNow(times).some(([, count]) => count > 0));

describe.each(clustersNow)(
  'on three brokers of Kafka $version, with $cpuHogs CPU hogs',
  (cluster) => {
    const { version, instances, cpuHogs, times, limitMs } = cluster;
    const faults = shuffle(timesNow(times).flatMap(([name, count]) => Array(count).fill(name)));
    let directory: string;
    let campaign: ClusterCampaign | null = null;

    beforeEach(async () => {
      directory = await mkdtemp(join(tmpdir(), 'allocation-'));
      const options = { directory, version, instances, sessionMs: SESSION_MS, cpuHogs, limitMs };
      campaign = await ClusterCampaign.start(options).catch((reason: Error) => {
        if (process.env.CI) throw reason;
        process.stderr.write(`The campaign on three brokers is skipped: ${reason.message}\n`);
        return null;
      });
    }, 240_000);

    afterEach(async () => {
      await campaign?.stop();
      await rm(directory, { recursive: true, force: true });
    }, 60_000);

    it(`${instances} of the service answer each command once, whatever befalls brokers`, async ({
      skip,
    }) => {
      if (!campaign) return skip();
      const table = new RecoveryTable(TARGET_MS);
      for (const [index, name] of faults.entries()) {
        const whyNot = campaign.whyNot(name);
        if (whyNot && process.env.CI) throw new Error(`${name}: ${whyNot}`);
        if (whyNot) {
          process.stderr.write(`Skipped: ${name}: ${whyNot}\n`);
          continue;
        }
        const recoveries: readonly Recovery[] = await campaign.endure(name);
        process.stdout.write(`${index + 1} of ${faults.length}: ${table.add(name, recoveries)}\n`);
      }
      const findings = await campaign.verdict();
      process.stdout.write(
        `Kafka ${version}, ${instances} of the service, ${campaign.flow.sent} commands and ` +
          `${campaign.accepted} over HTTP\n${table.text(findings)}\n`,
      );
      expect(findings).toEqual([]);
    }, 7_200_000);
  },
);
