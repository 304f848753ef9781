import { afterEach, beforeEach, describe } from 'vitest';
import type { Broker } from '../../../src/service-layer/broker.ts';
import { describeConsumerGroups } from './consumer-groups.ts';
import { LogUnderTest } from './log-under-test.ts';
import { describePublishing } from './publishing.ts';
import { describeQuestions } from './questions.ts';
import { describeReading } from './reading.ts';
import { describeTails } from './tails.ts';
import { describeTransactions } from './transactions.ts';

const PROMISES = [
  describePublishing,
  describeTransactions,
  describeConsumerGroups,
  describeTails,
  describeReading,
  describeQuestions,
];

/**
 * Declares the tests that every implementation of a broker must pass.
 * @param open opens another client of the same log, as another process would have it
 */
export function brokerContract(name: string, open: () => Promise<Broker>): void {
  describe(`${name} keeps the contract of a broker:`, () => {
    let log: LogUnderTest;

    beforeEach(async () => {
      log = await LogUnderTest.create(open);
    });

    afterEach(() => log.close());

    for (const describePromise of PROMISES) describePromise(() => log);
  });
}
